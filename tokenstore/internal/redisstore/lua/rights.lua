-- Tries every command that scripts use, on keys of its own, and leaves nothing. So it is
-- known whether this user has the rights before a script stops halfway for want of one.
-- KEYS[1] string text
-- KEYS[2] string moved: text under another name
-- KEYS[3] hash fields
-- KEYS[4] set members
-- KEYS[5] zset scores
-- KEYS[6] stream entries
-- KEYS[7] list elements
-- ARGV[1] channel where scripts tell what they do; empty: nowhere
-- RETURN 1

local text, moved, fields, members, scores, entries, elements = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7]
local channel = ARGV[1]
local call = redis.call

local seconds = tonumber(call('TIME')[1])
call('DEL', text, moved, fields, members, scores, entries, elements)

call('SET', text, 1)
call('INCRBY', text, 1)
call('DECRBY', text, 1)
call('GET', text)
call('EXISTS', text)
call('EXPIRE', text, 60)
call('PEXPIRE', text, 60000)
call('PEXPIREAT', text, string.format('%.0f', (seconds + 60) * 1000))
call('PTTL', text)
call('PERSIST', text)
call('RENAME', text, moved)

call('HSET', fields, 'a', 1)
call('HSETNX', fields, 'b', 1)
call('HINCRBY', fields, 'a', 1)
call('HGET', fields, 'a')
call('HMGET', fields, 'a', 'b')
call('HGETALL', fields)
call('HKEYS', fields)
call('HEXISTS', fields, 'a')
call('HSTRLEN', fields, 'a')
call('HLEN', fields)
call('HDEL', fields, 'a')

call('SADD', members, 'a')
call('SMEMBERS', members)
call('SCARD', members)
call('SREM', members, 'a')

call('ZADD', scores, 1, 'a')
call('ZINCRBY', scores, 1, 'a')
call('ZSCORE', scores, 'a')
call('ZCARD', scores)
call('ZCOUNT', scores, '-inf', '+inf')
call('ZRANGE', scores, 0, 0)
call('ZRANGEBYSCORE', scores, '-inf', '+inf')
call('ZREM', scores, 'a')
call('ZREMRANGEBYSCORE', scores, '-inf', '+inf')

local id = call('XADD', entries, '*', 'a', 1)
call('XLEN', entries)
call('XRANGE', entries, '-', '+')
call('XREVRANGE', entries, '+', '-')
call('XTRIM', entries, 'MAXLEN', 1)
call('XDEL', entries, id)

call('RPUSH', elements, 'a')
call('LINDEX', elements, 0)
call('LPOP', elements)

if channel ~= '' then call('PUBLISH', channel, 'rights') end
call('UNLINK', moved, fields, members, scores, entries, elements)
return 1
