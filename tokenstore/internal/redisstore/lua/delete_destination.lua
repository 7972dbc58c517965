-- Removes a destination of notifications, with what is on its way there.
-- KEYS[1] hash destinations: id to record
-- KEYS[2] hash versions: destination to version
-- KEYS[3] hash deliveries: `d:<destination>` record, `n:<destination>` how often it was taken
-- KEYS[4] zset due: destinations by the ms at which their delivery is due
-- ARGV[1] id of the destination
-- ARGV[2] expected version; 0: any
-- RETURN {'deleted'}
-- RETURN {'gone'}: there is none
-- RETURN {'conflict', version}: it has another version

local destinations, versions, deliveries, due = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local id, expected = ARGV[1], ARGV[2]
local call = redis.call

local version = call('HGET', versions, id)
if not version then return { 'gone' } end
if expected ~= '0' and expected ~= version then return { 'conflict', version } end
call('HDEL', destinations, id)
call('HDEL', versions, id)
call('HDEL', deliveries, 'd:' .. id, 'n:' .. id)
call('ZREM', due, id)
return { 'deleted' }
