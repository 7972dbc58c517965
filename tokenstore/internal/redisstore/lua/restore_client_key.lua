-- Undoes the deletion of a client key.
-- KEYS[1] hash key
-- KEYS[2] zset ids: ids of the keys by creation
-- KEYS[3] zset changes: ids by the mark of their last change
-- KEYS[4] string mark of the last change of all
-- KEYS[5] zset trash: ids of deleted keys by the ms until which they can be restored
-- ARGV[1] id of the key
-- ARGV[2] most keys that there may be
-- ARGV[3] channel where the change is told
-- USE time
-- USE client_key
-- RETURN {'restored'}
-- RETURN {'gone'}: there is no such key
-- RETURN {'there'}: it is not deleted
-- RETURN {'many'}: there are as many as there may be

local key, ids, changes, mark, trash = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local id, most, channel = ARGV[1], tonumber(ARGV[2]), ARGV[3]

local f = redis.call('HMGET', key, 'number', 'deleted')
if not f[1] then return { 'gone' } end
if not f[2] then return { 'there' } end
if redis.call('ZCARD', ids) >= most then return { 'many' } end
redis.call('HDEL', key, 'deleted')
redis.call('HINCRBY', key, 'ver', 1)
redis.call('PERSIST', key)
redis.call('ZREM', trash, id)
redis.call('ZADD', ids, f[1], id)
note_change(id, changes, mark, trash, channel)
return { 'restored' }
