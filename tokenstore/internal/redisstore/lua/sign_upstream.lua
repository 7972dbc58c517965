-- Replaces an upstream's record by itself with another signature, if it is still the one
-- that was read.
-- KEYS[1] hash upstreams: name to record
-- ARGV[1] name of the upstream
-- ARGV[2] read record
-- ARGV[3] signed record
-- RETURN 1 replaced, 0 another one by now

if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 1
