-- Replaces a field by another form of itself, if it is still what was read.
-- KEYS[1] hash that has it
-- ARGV[1] field name
-- ARGV[2] read value
-- ARGV[3] replacement value
-- RETURN 1 replaced, 0 another one by now, or gone

if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 1
