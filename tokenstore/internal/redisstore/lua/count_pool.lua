-- Counts the tokens of a pool by what they are.
-- KEYS[1] zset ids: the pool's token ids
-- ARGV[1] lead_ms ms before its expiry from which a token counts as expired
-- ARGV[2] soon_ms ms before its expiry from which it counts as expiring
-- DYNKEY hash c1:{pool:NAME}:token:<id>
-- USE pool
-- USE time
-- USE numbers
-- USE rows
-- USE standing
-- RETURN {total, disabled, parked, expired, cooling, probing, quarantined, expiring, requests under
--   way, parked ones that need a login, ms at which the first is back or 0, class that it cools
--   for, ms at which the first expires or 0, its id}

local lead, soon = tonumber(ARGV[1]), tonumber(ARGV[2])

local ahead_of_now = '(' .. now

local function standing(code) return redis.call('ZCOUNT', pool .. 'standing', code, code) end

sweep(now_ms + lead)
revive(now_ms + lead)

-- The first of an order after now, and before a time: its id, or '', and when that is, or 0.
local function first(name, till)
  local found = redis.call('ZRANGEBYSCORE', pool .. name, ahead_of_now, till, 'WITHSCORES', 'LIMIT', 0, 1)
  return found[1] or '', whole(tonumber(found[2] or 0))
end

local expiring = '(' .. whole(now_ms + soon)
local next_back, back = first('rests', '+inf')
local next_expiring, expiry = first('ends', expiring)
local class = next_back ~= '' and redis.call('HGET', pool .. 'token:' .. next_back, 'cause') or ''
local cooling = redis.call('ZCOUNT', pool .. 'rests', ahead_of_now, '+inf')
return {
  redis.call('ZCARD', KEYS[1]), standing(STANDING.disabled), standing(STANDING.parked), standing(STANDING.expired),
  cooling, math.max(standing(STANDING.probing) - cooling, 0), standing(STANDING.quarantined),
  redis.call('ZCOUNT', pool .. 'ends', '-inf', expiring),
  redis.call('ZCOUNT', pool .. 'leases', ahead_of_now, '+inf'),
  redis.call('SCARD', pool .. 'unlogged'),
  back, class or '', expiry, next_expiring,
}
