-- Makes a token cool, as a whole or for one model, or parks it, if it is still in
-- the state that the decision was made on. It gets a new epoch: reports of requests
-- that were under way say nothing new, and unused leases are recalled. When it has
-- cooled it is probed; one that is parked needs a person.
-- KEYS[1] hash token
-- KEYS[2] zset order: token id by score
-- KEYS[3] zset cooling: token id by the time, in ms, at which it is back
-- ARGV[1] id token id
-- ARGV[2] epoch of the lease
-- ARGV[3] streak new value, the token's or its for the model
-- ARGV[4] cool_ms ms from now; 0: it is parked
-- ARGV[5] model id to cool for; empty: the whole token
-- ARGV[6] cause class of the outcome
-- ARGV[7] channel where recalls are told
-- RETURN 1 changed, 0 the token has moved on

local token, order, cooling = KEYS[1], KEYS[2], KEYS[3]
local id, epoch, streak = ARGV[1], ARGV[2], ARGV[3]
local cool, model, cause, channel = tonumber(ARGV[4]), ARGV[5], ARGV[6], ARGV[7]

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

local f = redis.call('HMGET', token, 'epoch', 'cooling', 'm:' .. model, 'due')
if f[1] ~= epoch then return 0 end

local function number(text) return tonumber(string.match(text or '', '^%d+') or '0') end

if model ~= '' then
  if number(f[3]) >= now + cool then return 0 end
  redis.call('HSET', token, 'm:' .. model, string.format('%.0f %s', now + cool, streak))
  if f[4] then -- set aside for want of room, which leases of the new epoch have
    redis.call('HDEL', token, 'due')
    redis.call('ZREM', cooling, id)
    redis.call('ZADD', order, f[4], id)
  end
elseif cool > 0 then
  if number(f[2]) >= now + cool then return 0 end
  redis.call('HSET', token, 'cooling', now + cool, 'streak', streak, 'cause', cause, 'phase', '1')
  redis.call('HDEL', token, 'due')
  redis.call('ZREM', order, id)
  redis.call('ZADD', cooling, now + cool, id)
else
  redis.call('HSET', token, 'streak', streak, 'cause', cause, 'phase', 'parked')
  redis.call('HDEL', token, 'due', 'cooling')
  redis.call('ZREM', order, id)
  redis.call('ZREM', cooling, id)
end
local raised = redis.call('HINCRBY', token, 'epoch', 1)
redis.call('PUBLISH', channel, 'recall ' .. id .. ' ' .. raised)
return 1
