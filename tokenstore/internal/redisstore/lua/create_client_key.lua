-- Creates a client key.
-- KEYS[1] hash key
-- KEYS[2] zset ids: ids of the keys by creation
-- KEYS[3] zset changes: ids by the mark of their last change
-- KEYS[4] string mark of the last change of all
-- KEYS[5] zset trash: ids of deleted keys by the ms until which they can be restored
-- ARGV[1] id of the key
-- ARGV[2] rec record
-- ARGV[3] secret hash
-- ARGV[4] masked secret
-- ARGV[5] most keys that there may be
-- ARGV[6] channel where the change is told
-- USE time
-- USE client_key
-- RETURN {'created'}
-- RETURN {'known'}: there is one of the id
-- RETURN {'many'}: there are as many as there may be

local key, ids, changes, mark, trash = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local id, rec, secret, masked, most, channel = ARGV[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5]), ARGV[6]

if redis.call('EXISTS', key) == 1 then return { 'known' } end
if redis.call('ZCARD', ids) >= most then return { 'many' } end
local number = note_change(id, changes, mark, trash, channel)
redis.call('HSET', key, 'rec', rec, 'ver', 1, 'number', number, 'created', now, 'updated', now, 'secret', secret, 'masked', masked)
redis.call('ZADD', ids, number, id)
return { 'created' }
