-- Forgets one kept answer.
-- KEYS[1] zset index: digest of each answer by the ms at which it was kept
-- KEYS[2] hash sizes: digest to bytes that are counted for it
-- KEYS[3] string bytes that all take
-- KEYS[4] string the answer's
-- ARGV[1] digest of the answer's id and owner
-- RETURN 1 when it was there, else 0

local index, sizes, bytes, digest = KEYS[1], KEYS[2], KEYS[3], ARGV[1]

local there = redis.call('UNLINK', KEYS[4])
local size = redis.call('HGET', sizes, digest)
if size then
  redis.call('ZREM', index, digest)
  redis.call('HDEL', sizes, digest)
  redis.call('DECRBY', bytes, size)
end
return there
