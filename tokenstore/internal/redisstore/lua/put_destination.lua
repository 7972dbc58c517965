-- Creates or replaces a destination of notifications.
-- KEYS[1] hash destinations: id to record
-- KEYS[2] hash versions: destination to version
-- ARGV[1] id of the destination
-- ARGV[2] rec record
-- ARGV[3] mode new, old: there is one, or any
-- ARGV[4] expected version; 0: any
-- ARGV[5] most destinations that there may be
-- RETURN {'put', version}
-- RETURN {'gone'}: there is none of the id
-- RETURN {'many'}: there are as many as there may be
-- RETURN {'conflict', version}: it has another version

local destinations, versions = KEYS[1], KEYS[2]
local id, rec, mode, expected, most = ARGV[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
local call = redis.call

local version = call('HGET', versions, id)
if mode == 'old' and not version then return { 'gone' } end
if expected ~= '0' and expected ~= version then return { 'conflict', version or '0' } end
if not version and call('HLEN', destinations) >= most then return { 'many' } end
call('HSET', destinations, id, rec)
return { 'put', tostring(call('HINCRBY', versions, id, 1)) }
