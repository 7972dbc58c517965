-- Prolongs the polls of logins that a gateway has in hand, and hands out others that are
-- due: each to one caller, under an epoch that no other poll has had.
-- KEYS[1] zset polls: login id by when its next poll is due, in ms
-- KEYS[2] string epoch: the last one
-- DYNKEY hash c1:{pool}:login:<id>
-- ARGV[1] room polls more that the caller has room for
-- ARGV[2] hold_ms ms for which a poll stays in hand
-- ARGV[3...] per poll in hand: login id, epoch
-- USE pool
-- USE time
-- USE numbers
-- USE login
-- USE epoch
-- RETURN {number lost, then id, epoch of each, then per poll handed out: id, epoch}

local polls, epochs = KEYS[1], KEYS[2]
local room, till = tonumber(ARGV[1]), whole(now_ms + ARGV[2])
local lost, taken = {}, {}

sweep_logins()
for i = 3, #ARGV, 2 do
  local id, epoch = ARGV[i], ARGV[i + 1]
  if redis.call('HGET', pool .. 'login:' .. id, 'polling') == epoch then
    redis.call('ZADD', polls, till, id)
  else
    lost[#lost + 1], lost[#lost + 2] = id, epoch
  end
end
if room > 0 then
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', polls, '-inf', now, 'LIMIT', 0, room)) do
    local epoch = whole(next_epoch(redis.call('GET', epochs)))
    redis.call('SET', epochs, epoch)
    redis.call('HSET', pool .. 'login:' .. id, 'polling', epoch)
    redis.call('ZADD', polls, till, id)
    taken[#taken + 1], taken[#taken + 2] = id, epoch
  end
end
local answer = { #lost / 2 }
for _, list in ipairs({ lost, taken }) do
  for _, value in ipairs(list) do answer[#answer + 1] = value end
end
return answer
