-- Removes an upstream that has no token.
-- KEYS[1] hash upstreams: name to record
-- KEYS[2] hash versions: upstream to version
-- KEYS[3] hash sizes: upstream to number of tokens
-- ARGV[1] name of the upstream
-- ARGV[2] expected version; 0: any
-- ARGV[3] channel where the change is told
-- RETURN {'deleted'}
-- RETURN {'gone'}: there is no such upstream
-- RETURN {'used'}: it has tokens
-- RETURN {'conflict', version}: it has another version

local upstreams, versions, sizes = KEYS[1], KEYS[2], KEYS[3]
local name, expected, channel = ARGV[1], ARGV[2], ARGV[3]

local version = redis.call('HGET', versions, name)
if not version then return { 'gone' } end
if expected ~= '0' and expected ~= version then return { 'conflict', version } end
if redis.call('HEXISTS', sizes, name) == 1 then return { 'used' } end
redis.call('HDEL', upstreams, name)
redis.call('HDEL', versions, name)
redis.call('PUBLISH', channel, 'changed')
return { 'deleted' }
