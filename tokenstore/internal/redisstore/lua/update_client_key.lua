-- Replaces the record of a client key.
-- KEYS[1] hash key
-- KEYS[2] zset changes: ids by the mark of their last change
-- KEYS[3] string mark of the last change of all
-- KEYS[4] zset trash: ids of deleted keys by the ms until which they can be restored
-- ARGV[1] id of the key
-- ARGV[2] expected version
-- ARGV[3] rec record
-- ARGV[4] channel where the change is told
-- USE time
-- USE client_key
-- RETURN {'updated'}
-- RETURN {'gone'}: there is no such key, or it is deleted
-- RETURN {'conflict', version}: it has another version

local key, changes, mark, trash = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local id, expected, rec, channel = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

local f = redis.call('HMGET', key, 'ver', 'deleted')
if not f[1] or f[2] then return { 'gone' } end
if expected ~= f[1] then return { 'conflict', f[1] } end
redis.call('HSET', key, 'rec', rec, 'updated', now)
redis.call('HINCRBY', key, 'ver', 1)
note_change(id, changes, mark, trash, channel)
return { 'updated' }
