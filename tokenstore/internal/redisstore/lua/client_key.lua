-- Reads a client key.
-- KEYS[1] hash key
-- USE time
-- RETURN {now_ms, {field, value, …}}: without any where there is none

return { now, redis.call('HGETALL', KEYS[1]) }
