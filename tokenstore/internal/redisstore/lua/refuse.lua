-- Ends a refresh that the upstream refuses for good: the token is parked until somebody logs
-- in anew, or brings it back by hand.
-- KEYS[1] hash token
-- KEYS[2] zset refreshes: token id by when its refresh is due, in ms
-- ARGV[1] id token id
-- ARGV[2] epoch of the errand
-- ARGV[3] detail what the upstream said
-- ARGV[4] keep entries of the history at most
-- ARGV[5] channel where recalls are told
-- USE pool
-- USE tell
-- USE rows
-- USE standing
-- USE time
-- USE numbers
-- USE marks
-- USE transit
-- RETURN {'refused'}
-- RETURN {'stale'}: the errand is another's by now
-- RETURN {'gone'}: there is no such token

local token, refreshes = KEYS[1], KEYS[2]
local id, epoch, detail, keep, channel = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local call = redis.call

local f = call('HMGET', token, 'upstream', 'refreshing', 'phase', 'streak', 'cause')
if not f[1] then return { 'gone' } end
if f[2] ~= epoch then return { 'stale' } end

call('HDEL', token, 'refreshing', 'refresh_tries', 'refresh_at')
call('HSET', token, 'needs_login', 1, 'refresh_error', detail)
call('ZREM', refreshes, id)
local t = { id = id, key = token, phase = f[3] or '', streak = number(f[4]), cause = f[5] or '' }
transit(t, { class = 'auth', detail = detail }, t.streak, 0, channel, keep)
return { 'refused' }
