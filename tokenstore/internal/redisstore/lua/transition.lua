-- Makes a token cool, as a whole or for one model, if it is still in the state
-- that the decision was made on. A token that cools gets a new epoch: reports of
-- requests that were under way say nothing new, and unused leases are recalled.
-- KEYS[1] hash token
-- KEYS[2] zset order: token id by score
-- KEYS[3] zset cooling: token id by the time, in ms, at which it is back
-- ARGV[1] id token id
-- ARGV[2] epoch of the lease
-- ARGV[3] streak new value
-- ARGV[4] cool_ms ms from now
-- ARGV[5] model id to cool for; empty: the whole token
-- ARGV[6] channel where recalls are told
-- RETURN 1 changed, 0 the token has moved on

local token, order, cooling = KEYS[1], KEYS[2], KEYS[3]
local id, epoch, streak = ARGV[1], ARGV[2], ARGV[3]
local cool, model, channel = tonumber(ARGV[4]), ARGV[5], ARGV[6]

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

local f = redis.call('HMGET', token, 'epoch', 'cooling', 'm:' .. model)
if f[1] ~= epoch then return 0 end

if model ~= '' then
  if (tonumber(f[3] or '0') or 0) >= now + cool then return 0 end
  redis.call('HSET', token, 'm:' .. model, now + cool)
else
  if (tonumber(f[2] or '0') or 0) >= now + cool then return 0 end
  redis.call('HSET', token, 'cooling', now + cool, 'streak', streak)
  redis.call('HDEL', token, 'due')
  redis.call('ZREM', order, id)
  redis.call('ZADD', cooling, now + cool, id)
end
local raised = redis.call('HINCRBY', token, 'epoch', 1)
redis.call('PUBLISH', channel, 'recall ' .. id .. ' ' .. raised)
return 1
