-- Creates or replaces a route. What it matches is its own: no other one has it.
-- KEYS[1] hash routes: name to record
-- KEYS[2] hash versions: route to version
-- KEYS[3] hash matches: what is matched to route
-- ARGV[1] name of the route
-- ARGV[2] rec record
-- ARGV[3] match what it matches
-- ARGV[4] expected version; 0: any
-- ARGV[5] mode any; new: only if there is none
-- ARGV[6] most routes that there may be
-- ARGV[7] channel where the change is told
-- RETURN {'put', version}
-- RETURN {'known'}: mode new, and there is one
-- RETURN {'taken', route}: another one matches that
-- RETURN {'many'}: there are as many as there may be
-- RETURN {'conflict', version}: it has another version

local routes, versions, matches = KEYS[1], KEYS[2], KEYS[3]
local name, rec, match, expected, mode, most, channel = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], tonumber(ARGV[6]), ARGV[7]
local call = redis.call

local version = call('HGET', versions, name) or '0'
if mode == 'new' and version ~= '0' then return { 'known' } end
if expected ~= '0' and expected ~= version then return { 'conflict', version } end
local owner = call('HGET', matches, match)
if owner and owner ~= name then return { 'taken', owner } end
if version == '0' and call('HLEN', routes) >= most then return { 'many' } end
local old = call('HGET', routes, name)
if old then call('HDEL', matches, cjson.decode(old).match) end
call('HSET', routes, name, rec)
call('HSET', matches, match, name)
version = call('HINCRBY', versions, name, 1)
call('PUBLISH', channel, 'changed')
return { 'put', tostring(version) }
