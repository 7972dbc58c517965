-- Reads two hashes as of one moment. Unlike a transaction it is also carried out by a
-- server that is full.
-- KEYS[1] hash first
-- KEYS[2] hash second
-- RETURN the fields and values of both, each flat

return { redis.call('HGETALL', KEYS[1]), redis.call('HGETALL', KEYS[2]) }
