-- Deletes a client key. For some time it can be restored.
-- KEYS[1] hash key
-- KEYS[2] zset ids: ids of the keys by creation
-- KEYS[3] zset changes: ids by the mark of their last change
-- KEYS[4] string mark of the last change of all
-- KEYS[5] zset trash: ids of deleted keys by the ms until which they can be restored
-- ARGV[1] id of the key
-- ARGV[2] expected version; 0: any
-- ARGV[3] trash_ms ms for which it can be restored
-- ARGV[4] most deleted keys that can be restored
-- ARGV[5] channel where the change is told
-- DYNKEY hash c1:{keys}:key:<id> a key that was deleted long before
-- USE time
-- USE client_key
-- RETURN {'deleted'}
-- RETURN {'gone'}: there is no such key, or it is deleted
-- RETURN {'conflict', version}: it has another version

local key, ids, changes, mark, trash = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local id, expected, trash_ms, most, channel = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]

-- How long every tokenstore has to hear of a deletion, in ms, and how many deletions are
-- forgotten in one go.
local HEARD, SWEEP = 3600000, 100

local f = redis.call('HMGET', key, 'ver', 'deleted')
if not f[1] or f[2] then return { 'gone' } end
if expected ~= '0' and expected ~= f[1] then return { 'conflict', f[1] } end
redis.call('HSET', key, 'deleted', now)
redis.call('HINCRBY', key, 'ver', 1)
redis.call('PEXPIRE', key, trash_ms)
redis.call('ZREM', ids, id)
note_change(id, changes, mark, trash, channel)
redis.call('ZADD', trash, string.format('%.0f', now_ms + trash_ms), id)

-- Each deletion pushes one beyond what is kept. That it was deleted is known for longer.
for _, beyond in ipairs(redis.call('ZRANGE', trash, -most - 1, -most - 1)) do
  redis.call('DEL', string.sub(key, 1, -#id - 1) .. beyond)
end
local heard = string.format('%.0f', now_ms + trash_ms - HEARD)
local over = math.min(redis.call('ZCARD', trash) - most, SWEEP)
if over > 0 then
  for _, gone in ipairs(redis.call('ZRANGEBYSCORE', trash, '-inf', heard, 'LIMIT', 0, over)) do
    redis.call('ZREM', changes, gone)
    redis.call('ZREM', trash, gone)
  end
end
return { 'deleted' }
