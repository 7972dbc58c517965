-- Has a refresh done at once, because the access token was refused, unless it is under way,
-- was just done, or waits for an upstream that did not answer. Who insists does not wait for
-- that. Tells what there is by now.
-- KEYS[1] hash token
-- KEYS[2] zset refreshes: token id by when its refresh is due, in ms
-- ARGV[1] id token id
-- ARGV[2] grants that are known: with others, nothing is hastened
-- ARGV[3] pause_ms ms after a refresh for which there is no other
-- ARGV[4] insists 1 or 0
-- USE time
-- USE numbers
-- RETURN {grants, 1 or 0: needs a login, tries in vain, ms until the next one}, grants '' where
-- the token is gone

local token, refreshes = KEYS[1], KEYS[2]
local id, grants, pause, insists = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4] == '1'

local f = redis.call('HMGET', token, 'upstream', 'grants', 'needs_login', 'refreshing', 'refreshed', 'refresh_tries')
if not f[1] then return { '', 0, 0, 0 } end
local known, refreshed, tries = f[2] or '0', number(f[5]), number(f[6])
local just = refreshed <= now_ms and refreshed + pause > now_ms
if known == grants and f[3] ~= '1' and not f[4] and not just and (insists or tries == 0) then
  redis.call('ZADD', refreshes, 0, id)
end
local rest = 0
if tries > 0 and not f[4] then
  rest = whole(math.max(0, number(redis.call('ZSCORE', refreshes, id)) - now_ms))
end
return { known, f[3] == '1' and 1 or 0, tries, rest }
