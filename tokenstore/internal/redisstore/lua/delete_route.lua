-- Removes a route.
-- KEYS[1] hash routes: name to record
-- KEYS[2] hash versions: route to version
-- KEYS[3] hash matches: what is matched to route
-- ARGV[1] name of the route
-- ARGV[2] expected version; 0: any
-- ARGV[3] channel where the change is told
-- RETURN {'deleted'}
-- RETURN {'gone'}: there is no such route
-- RETURN {'conflict', version}: it has another version

local routes, versions, matches = KEYS[1], KEYS[2], KEYS[3]
local name, expected, channel = ARGV[1], ARGV[2], ARGV[3]

local version = redis.call('HGET', versions, name)
if not version then return { 'gone' } end
if expected ~= '0' and expected ~= version then return { 'conflict', version } end
local rec = redis.call('HGET', routes, name)
if rec then redis.call('HDEL', matches, cjson.decode(rec).match) end
redis.call('HDEL', routes, name)
redis.call('HDEL', versions, name)
redis.call('PUBLISH', channel, 'changed')
return { 'deleted' }
