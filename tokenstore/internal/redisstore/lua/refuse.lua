-- Ends a refresh that the upstream refuses for good: the token is parked until somebody logs
-- in anew, or brings it back by hand.
-- KEYS[1] hash token
-- KEYS[2] zset order: token id by score
-- KEYS[3] zset cooling: token id by the time, in ms, at which it is back
-- KEYS[4] stream history of the token
-- DYNKEY zset c1:{pool:NAME}:refreshes token id by when its refresh is due, in ms
-- ARGV[1] id token id
-- ARGV[2] epoch of the errand
-- ARGV[3] detail what the upstream said
-- ARGV[4] keep entries of the history at most
-- ARGV[5] channel where recalls are told
-- USE pool
-- USE standing
-- RETURN {'refused'}
-- RETURN {'stale'}: the errand is another's by now
-- RETURN {'gone'}: there is no such token

local token, order, cooling, history = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local id, epoch, detail, keep, channel = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local call = redis.call

local f = call('HMGET', token, 'upstream', 'refreshing', 'phase', 'streak', 'cause')
if not f[1] then return { 'gone' } end
if f[2] ~= epoch then return { 'stale' } end

call('HDEL', token, 'refreshing', 'refresh_tries', 'refresh_at', 'cooling', 'due')
call('HSET', token, 'needs_login', 1, 'refresh_error', detail, 'phase', 'parked', 'cause', 'auth')
call('ZREM', pool .. 'refreshes', id)
call('ZREM', order, id)
call('ZREM', cooling, id)
stand(id)
call('XADD', history, 'MAXLEN', keep, '*', 'kind', 'parked', 'class', 'auth', 'model', '', 'until', '', 'request', '',
  'detail', detail, 'replica', '', 'phase', f[3] or '', 'streak', f[4] or '0', 'cause', f[5] or '')
local raised = call('HINCRBY', token, 'epoch', 1)
call('PUBLISH', channel, 'recall ' .. id .. ' ' .. string.format('%.0f', raised))
return { 'refused' }
