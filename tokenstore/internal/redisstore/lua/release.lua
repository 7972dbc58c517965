-- Brings back a token that cools, is probed or is parked, at an admin's word. It
-- starts afresh, at the rotation's clock.
-- KEYS[1] hash token
-- KEYS[2] stream history of the token
-- KEYS[3] hash clock: `at` virtual time
-- KEYS[4] zset order: token id by score
-- KEYS[5] zset cooling: token id by the time, in ms, at which it is back
-- ARGV[1] id token id
-- ARGV[2] by whom
-- ARGV[3] keep entries of the history at most
-- ARGV[4] channel where new capacity is told
-- USE pool
-- USE tell
-- USE rows
-- USE standing
-- USE marks
-- USE errands
-- RETURN 1 released, 0 there is no such token

local token, history, clock, order, cooling = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local id, by, keep, channel = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

local f = redis.call('HMGET', token, 'upstream', 'enabled', 'phase')
local upstream = f[1]
if not upstream then return 0 end

local stale = { 'cooling', 'streak', 'cause', 'due' }
if f[3] ~= 'new' then stale[#stale + 1] = 'phase' end
clear_marks(token)
try_again(id)
redis.call('HDEL', token, unpack(stale))
redis.call('ZREM', cooling, id)
if f[2] == '1' and not redis.call('ZSCORE', order, id) then
  enter(id, redis.call('HGET', clock, 'at') or '0')
end
stand(id)
redis.call('XADD', history, 'MAXLEN', keep, '*', 'kind', 'released', 'class', '', 'model', '', 'by', by)
tell(id, 'released', '', '', 'by', by)
redis.call('PUBLISH', channel, 'freed ' .. upstream)
return 1
