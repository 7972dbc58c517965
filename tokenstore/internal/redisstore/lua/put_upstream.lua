-- Creates or replaces an upstream.
-- KEYS[1] hash upstreams: name to record
-- KEYS[2] hash versions: upstream to version
-- KEYS[3] hash sizes: upstream to number of tokens
-- ARGV[1] name of the upstream
-- ARGV[2] rec record
-- ARGV[3] expected version; 0: any
-- ARGV[4] mode any; new: only if there is none; empty: only if its pool has no token
-- ARGV[5] channel where the change is told
-- RETURN {'put'}
-- RETURN {'known'}: mode new, and there is one
-- RETURN {'used'}: mode empty, and it has tokens
-- RETURN {'conflict', version}: it has another version

local upstreams, versions, sizes = KEYS[1], KEYS[2], KEYS[3]
local name, rec, expected, mode, channel = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]

local version = redis.call('HGET', versions, name) or '0'
if mode == 'new' and version ~= '0' then return { 'known' } end
if expected ~= '0' and expected ~= version then return { 'conflict', version } end
if mode == 'empty' and redis.call('HEXISTS', sizes, name) == 1 then return { 'used' } end
redis.call('HSET', upstreams, name, rec)
redis.call('HINCRBY', versions, name, 1)
redis.call('PUBLISH', channel, 'changed')
return { 'put' }
