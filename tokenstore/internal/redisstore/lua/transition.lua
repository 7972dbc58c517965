-- Makes a token cool, as a whole or for one model, or parks it, if it is still in
-- the state that the decision was made on, and no cause that tokens share is to
-- blame. It gets a new epoch: reports of requests that were under way say nothing
-- new, and unused leases are recalled. When it has cooled it is probed; one that is
-- parked needs a person. What led to it is kept, with what undoing it brings back.
-- KEYS[1] hash token
-- KEYS[2] zset order: token id by score
-- KEYS[3] zset cooling: token id by the time, in ms, at which it is back
-- KEYS[4] stream history of the token
-- KEYS[5] hash causes that tokens share: `<class> <model>` to state
-- ARGV[1] id token id
-- ARGV[2] epoch of the lease
-- ARGV[3] streak new value, the token's or its for the model
-- ARGV[4] cool_ms ms from now; 0: it is parked
-- ARGV[5] model id to cool for; empty: the whole token
-- ARGV[6] class of the outcome
-- ARGV[7] asked_model id of the model that the request named
-- ARGV[8] channel where recalls are told
-- ARGV[9] keep entries of the history at most
-- ARGV[10] request id
-- ARGV[11] detail text
-- ARGV[12] replica name
-- USE pool
-- USE standing
-- RETURN 1 changed, 0 the token has moved on, or is not to blame

local token, order, cooling, history, causes = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local id, epoch, streak = ARGV[1], ARGV[2], ARGV[3]
local cool, model, class, asked, channel = tonumber(ARGV[4]), ARGV[5], ARGV[6], ARGV[7], ARGV[8]

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

local function number(text) return tonumber(string.match(text or '', '^%d+') or '0') end

local f = redis.call('HMGET', token, 'epoch', 'cooling', 'm:' .. model, 'due', 'phase', 'streak', 'cause')
if f[1] ~= epoch then return 0 end
local shared = redis.call('HGET', causes, class .. ' ' .. asked)
if shared and string.sub(shared, 1, 4) ~= 'calm' then return 0 end

local kind, till = 'cooling', now + cool
if model ~= '' then
  if number(f[3]) >= till then return 0 end
  redis.call('HSET', token, 'm:' .. model, string.format('%.0f %s', till, streak))
  if f[4] then -- set aside for want of room, which leases of the new epoch have
    redis.call('HDEL', token, 'due')
    redis.call('ZREM', cooling, id)
    enter(id, f[4])
  end
elseif cool > 0 then
  if number(f[2]) >= till then return 0 end
  redis.call('HSET', token, 'cooling', till, 'streak', streak, 'cause', class, 'phase', '1')
  redis.call('HDEL', token, 'due')
  redis.call('ZREM', order, id)
  redis.call('ZADD', cooling, till, id)
else
  kind = 'parked'
  redis.call('HSET', token, 'streak', streak, 'cause', class, 'phase', 'parked')
  redis.call('HDEL', token, 'due', 'cooling')
  redis.call('ZREM', order, id)
  redis.call('ZREM', cooling, id)
end
stand(id)
redis.call('XADD', history, 'MAXLEN', ARGV[9], '*', 'kind', kind, 'class', class, 'model', model,
  'until', kind == 'cooling' and string.format('%.0f', till) or '', 'request', ARGV[10], 'detail', ARGV[11],
  'replica', ARGV[12], 'phase', f[5] or '', 'streak', f[6] or '0', 'cause', f[7] or '')
local raised = redis.call('HINCRBY', token, 'epoch', 1)
redis.call('PUBLISH', channel, 'recall ' .. id .. ' ' .. raised)
return 1
