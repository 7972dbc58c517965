-- Ends a refresh with what the upstream has given, in one step: another access token and
-- perhaps another refresh token. The one before stays beside it until a request with the
-- new access token has succeeded, or the next refresh has. Whatever the upstream's refusals
-- had done to the token is over; it is probed first.
-- KEYS[1] hash token
-- KEYS[2] zset order: token id by score
-- KEYS[3] zset cooling: token id by the time, in ms, at which it is back
-- KEYS[4] hash clock: `at` virtual time
-- DYNKEY zset c1:{pool:NAME}:refreshes token id by when its refresh is due, in ms
-- ARGV[1] id token id
-- ARGV[2] epoch of the errand; empty: what is given is of a login, and ends any refresh
-- ARGV[3] access sealed access token
-- ARGV[4] refresh sealed refresh token; empty: the one that was used stays
-- ARGV[5] ends ms at which the access token ends; 0: the upstream has not said
-- ARGV[6] shift_ms ms by which expires lies behind that
-- ARGV[7] channel where new capacity is told
-- USE pool
-- USE rows
-- USE standing
-- USE time
-- USE numbers
-- USE errands
-- RETURN {'granted'}
-- RETURN {'stale'}: the errand is another's by now
-- RETURN {'gone'}: there is no such token

local token, order, cooling, clock = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local id, epoch, access, refresh, ends, channel = ARGV[1], ARGV[2], ARGV[3], ARGV[4], number(ARGV[5]), ARGV[7]
local call = redis.call

-- The least time, in ms, to the next refresh: an access token may have ended when it comes.
local PAUSE = 5000

local f = call('HMGET', token, 'upstream', 'refreshing', 'refresh', 'enabled', 'phase', 'cause', 'cooling')
local upstream, refreshing, before, enabled, phase, cause = f[1], f[2], f[3], f[4], f[5], f[6]
if not upstream then return { 'gone' } end
if epoch ~= '' and refreshing ~= epoch then return { 'stale' } end

if ends == 0 then ends = now_ms + UNTOLD end
local due = whole(math.max(refresh_at(now_ms, ends), now_ms + PAUSE))
call('HDEL', token, 'refreshing', 'refresh_error', 'refresh_tries', 'needs_login', 'former', 'former_since')
call('HSET', token, 'renewable', 1, 'access', access, 'access_ends', whole(ends), 'expires', whole(ends + ARGV[6]),
  'refreshed', now, 'refresh_at', due)
call('HINCRBY', token, 'grants', 1)
if refresh ~= '' then
  if before and epoch ~= '' then call('HSET', token, 'former', before, 'former_since', now) end
  call('HSET', token, 'refresh', refresh)
end
call('ZADD', pool .. 'refreshes', due, id)

if cause == 'auth' and (phase == 'parked' or number(f[7]) > now_ms) then
  phase = '1'
  call('HSET', token, 'phase', phase)
  call('HDEL', token, 'cooling', 'due')
  call('ZREM', cooling, id)
end
if enabled == '1' and phase ~= 'parked' and not call('ZSCORE', order, id) and not call('ZSCORE', cooling, id) then
  enter(id, call('HGET', clock, 'at') or '0')
else
  stir(id)
end
stand(id)
call('PUBLISH', channel, 'freed ' .. upstream)
return { 'granted' }
