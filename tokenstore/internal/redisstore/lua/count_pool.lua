-- Counts the tokens of a pool by what they are.
-- KEYS[1] zset ids: the pool's token ids
-- ARGV[1] lead_ms ms before its expiry from which a token counts as expired
-- ARGV[2] soon_ms ms before its expiry from which it counts as expiring
-- USE pool
-- USE time
-- USE numbers
-- USE standing
-- RETURN {total, disabled, parked, expired, cooling, probing, quarantined, expiring, requests under way, parked ones that need a login}

local lead, soon = tonumber(ARGV[1]), tonumber(ARGV[2])

local ahead_of_now = '(' .. now

local function standing(code) return redis.call('ZCOUNT', pool .. 'standing', code, code) end

sweep(now_ms + lead)
revive(now_ms + lead)
local cooling = redis.call('ZCOUNT', pool .. 'rests', ahead_of_now, '+inf')
return {
  redis.call('ZCARD', KEYS[1]), standing(STANDING.disabled), standing(STANDING.parked), standing(STANDING.expired),
  cooling, math.max(standing(STANDING.probing) - cooling, 0), standing(STANDING.quarantined),
  redis.call('ZCOUNT', pool .. 'ends', '-inf', '(' .. whole(now_ms + soon)),
  redis.call('ZCOUNT', pool .. 'leases', ahead_of_now, '+inf'),
  redis.call('SCARD', pool .. 'unlogged'),
}
