-- Removes an upstream whose pool has no token.
-- KEYS[1] hash upstreams: name to record
-- KEYS[2] hash versions: upstream to version
-- KEYS[3] zset ids: all token ids
-- KEYS[4] zset order: token id by score
-- KEYS[5] zset cooling: token id by end, in ms
-- KEYS[6] hash clock: upstream to virtual time
-- DYNKEY hash c1:{pool}:token:<id>
-- ARGV[1] name of the upstream
-- ARGV[2] expected version; 0: any
-- ARGV[3] token_prefix key prefix
-- ARGV[4] channel where the change is told
-- RETURN {'deleted'}
-- RETURN {'gone'}: there is no such upstream
-- RETURN {'used'}: it has tokens
-- RETURN {'conflict', version}: it has another version

local upstreams, versions, ids, order, cooling, clock = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local name, expected, token_prefix, channel = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

local version = redis.call('HGET', versions, name)
if not version then return { 'gone' } end
if expected ~= '0' and expected ~= version then return { 'conflict', version } end
for _, id in ipairs(redis.call('ZRANGE', ids, 0, -1)) do
  if redis.call('HGET', token_prefix .. id, 'upstream') == name then return { 'used' } end
end
redis.call('HDEL', upstreams, name)
redis.call('HDEL', versions, name)
redis.call('HDEL', clock, name)
redis.call('DEL', order, cooling)
redis.call('PUBLISH', channel, 'changed')
return { 'deleted' }
