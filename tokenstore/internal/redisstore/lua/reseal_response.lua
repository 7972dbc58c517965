-- Puts a kept answer in place of what it is another version of, unless that has changed. It
-- expires when it was to.
-- KEYS[1] hash sizes: digest to bytes that are counted for it
-- KEYS[2] string bytes that all take
-- KEYS[3] string the answer's
-- ARGV[1] digest of the answer's id and owner
-- ARGV[2] read what was read
-- ARGV[3] answer sealed anew
-- RETURN 1, or 0 when it has changed

local sizes, bytes, key = KEYS[1], KEYS[2], KEYS[3]
local digest, read, answer = ARGV[1], ARGV[2], ARGV[3]

if redis.call('GET', key) ~= read then return 0 end
redis.call('SET', key, answer, 'PX', math.max(redis.call('PTTL', key), 1))
redis.call('HINCRBY', sizes, digest, #answer - #read)
redis.call('INCRBY', bytes, #answer - #read)
return 1
