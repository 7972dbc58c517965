-- Gives a claim up: what comes late and is based on it is not carried out any more. Says
-- what has become of the token.
-- KEYS[1] zset lapsed: claims that were given up, by the ms at which that is forgotten; it expires
--   with the last
-- KEYS[2] hash token
-- KEYS[3] hash trash: the token as it was, when it is deleted
-- ARGV[1] claim id
-- ARGV[2] keep_ms ms after which that is forgotten
-- RETURN {'there', version, fingerprint, alias, created}
-- RETURN {'gone', ms for which it can be restored, version, 0: it can't be any more}

local lapsed, token, trash, claim, keep = KEYS[1], KEYS[2], KEYS[3], ARGV[1], tonumber(ARGV[2])

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

redis.call('ZREMRANGEBYSCORE', lapsed, '-inf', now)
redis.call('ZADD', lapsed, now + keep, claim)
redis.call('PEXPIRE', lapsed, keep)
local f = redis.call('HMGET', token, 'ver', 'fingerprint', 'alias', 'created')
if f[1] then return { 'there', f[1], f[2], f[3], f[4] } end
return { 'gone', math.max(redis.call('PTTL', trash), 0), redis.call('HGET', trash, 'ver') or '0' }
