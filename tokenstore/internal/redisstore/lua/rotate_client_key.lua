-- Gives a client key another secret. The present one goes on for a while; the one before that
-- ends.
-- KEYS[1] hash key
-- KEYS[2] zset changes: ids by the mark of their last change
-- KEYS[3] string mark of the last change of all
-- KEYS[4] zset trash: ids of deleted keys by the ms until which they can be restored
-- ARGV[1] id of the key
-- ARGV[2] expected version; 0: any
-- ARGV[3] secret hash
-- ARGV[4] masked secret
-- ARGV[5] keep ms for which the present secret goes on; 0: it ends
-- ARGV[6] channel where the change is told
-- USE time
-- USE client_key
-- RETURN {'rotated'}
-- RETURN {'gone'}: there is no such key, or it is deleted
-- RETURN {'conflict', version}: it has another version

local key, changes, mark, trash = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local id, expected, secret, masked, keep, channel = ARGV[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5]), ARGV[6]

local f = redis.call('HMGET', key, 'ver', 'deleted', 'secret')
if not f[1] or f[2] then return { 'gone' } end
if expected ~= '0' and expected ~= f[1] then return { 'conflict', f[1] } end
if keep > 0 then
  redis.call('HSET', key, 'old_secret', f[3], 'old_until', string.format('%.0f', now_ms + keep))
else
  redis.call('HDEL', key, 'old_secret', 'old_until')
end
redis.call('HSET', key, 'secret', secret, 'masked', masked, 'updated', now)
redis.call('HINCRBY', key, 'ver', 1)
note_change(id, changes, mark, trash, channel)
return { 'rotated' }
