-- Ends a refresh in which nothing was found out: it is due again after a pause that doubles
-- each time, whether the access token has ended or not.
-- KEYS[1] hash token
-- KEYS[2] zset refreshes: token id by when its refresh is due, in ms
-- ARGV[1] id token id
-- ARGV[2] epoch of the errand
-- ARGV[3] detail why, may be empty
-- ARGV[4] least_ms ms that the upstream wants to be left alone for at least
-- USE time
-- USE numbers
-- RETURN {'postponed'}
-- RETURN {'stale'}: the errand is another's by now
-- RETURN {'gone'}: there is no such token

local token, refreshes = KEYS[1], KEYS[2]
local id, epoch, detail, least = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])

-- Bounds of the pause, in ms.
local FIRST, LONGEST = 1000, 60000

local f = redis.call('HMGET', token, 'upstream', 'refreshing', 'refresh_tries')
if not f[1] then return { 'gone' } end
if f[2] ~= epoch then return { 'stale' } end
local tries = number(f[3])
local due = whole(now_ms + math.max(least, math.min(FIRST * 2 ^ math.min(tries, 10), LONGEST)))
redis.call('HDEL', token, 'refreshing')
redis.call('HSET', token, 'refresh_tries', tries + 1, 'refresh_error', detail, 'refresh_at', due)
redis.call('ZADD', refreshes, due, id)
return { 'postponed' }
