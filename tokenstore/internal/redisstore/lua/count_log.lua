-- Counts the entries of a log of before they were counted, each of which is an item.
-- KEYS[1] string schema: the version of the log's data
-- KEYS[2] stream entries
-- KEYS[3] hash kept: `size` entries of the stream
-- ARGV[1] before the version that did not count
-- ARGV[2] after the version that counts
-- RETURN 1 done, 0 another has done it

local schema, entries, kept = KEYS[1], KEYS[2], KEYS[3]
local before, after = ARGV[1], ARGV[2]

if redis.call('GET', schema) ~= before then return 0 end
redis.call('HSET', kept, 'size', redis.call('XLEN', entries))
redis.call('SET', schema, after)
return 1
