-- Puts a client key as a backup has it: makes it, brings it back from the trash, or replaces it.
-- KEYS[1] hash key
-- KEYS[2] zset ids: ids of the keys by creation
-- KEYS[3] zset changes: ids by the mark of their last change
-- KEYS[4] string mark of the last change of all
-- KEYS[5] zset trash: ids of deleted keys by the ms until which they can be restored
-- ARGV[1] id of the key
-- ARGV[2] expected version; 0: there is none, or it is deleted
-- ARGV[3] rec record
-- ARGV[4] created ms
-- ARGV[5] secret hash
-- ARGV[6] masked secret
-- ARGV[7] old_secret hash of the secret before; empty: none goes on
-- ARGV[8] old_until ms until which that goes on
-- ARGV[9] most keys that there may be
-- ARGV[10] channel where the change is told
-- USE time
-- USE client_key
-- RETURN {'put'}
-- RETURN {'conflict'}: it has another version
-- RETURN {'many'}: there are as many as there may be

local key, ids, changes, mark, trash = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local id, expected, rec, created, secret, masked = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local old_secret, old_until, most, channel = ARGV[7], ARGV[8], tonumber(ARGV[9]), ARGV[10]

local f = redis.call('HMGET', key, 'ver', 'deleted', 'number')
local there = f[1] and not f[2]
if expected ~= (there and f[1] or '0') then return { 'conflict' } end
if not there and redis.call('ZCARD', ids) >= most then return { 'many' } end
redis.call('ZREM', trash, id)
redis.call('PERSIST', key)
redis.call('HDEL', key, 'deleted', 'old_secret', 'old_until')
local number = f[3] or note_change(id, changes, mark, trash, channel)
redis.call('HSET', key, 'rec', rec, 'number', number, 'created', created, 'updated', now, 'secret', secret, 'masked', masked)
if old_secret ~= '' then redis.call('HSET', key, 'old_secret', old_secret, 'old_until', old_until) end
redis.call('HINCRBY', key, 'ver', 1)
redis.call('ZADD', ids, number, id)
if f[3] then note_change(id, changes, mark, trash, channel) end
return { 'put' }
