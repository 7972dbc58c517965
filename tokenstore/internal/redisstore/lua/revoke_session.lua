-- Makes a page session invalid until it would have ended by itself.
-- KEYS[1] zset revoked: session ids by their end, in ms
-- ARGV[1] id of the session
-- ARGV[2] ends ms
-- ARGV[3] limit sessions that are kept
-- ARGV[4] channel where the change is told
-- RETURN {'revoked'}
-- RETURN {'ended'}: the session has ended, there is nothing to keep
-- RETURN {'full'}: as many are kept as may be

local revoked, id, ends, limit, channel = KEYS[1], ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
if ends <= now then return { 'ended' } end
local known = redis.call('ZSCORE', revoked, id)
-- Who says that it ends sooner than was said before is not believed.
if known and tonumber(known) >= ends then return { 'revoked' } end
if not known and redis.call('ZCOUNT', revoked, '(' .. string.format('%.0f', now), '+inf') >= limit then return { 'full' } end

redis.call('ZREMRANGEBYSCORE', revoked, '-inf', string.format('%.0f', now))
redis.call('ZADD', revoked, string.format('%.0f', ends), id)
local last = redis.call('ZRANGE', revoked, -1, -1, 'WITHSCORES')
redis.call('PEXPIREAT', revoked, string.format('%.0f', tonumber(last[2])))
redis.call('PUBLISH', channel, 'changed')
return { 'revoked' }
