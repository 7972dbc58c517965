-- Replaces how a token is sealed, and nothing that an admin sees, if nobody has
-- edited it since it was read.
-- KEYS[1] hash token
-- KEYS[2] hash fingerprints: `<upstream> <fingerprint>` to token id
-- ARGV[1] id token id
-- ARGV[2] version that was read
-- ARGV[3] rec record
-- ARGV[4] fingerprint hex
-- RETURN 1 done, 0 edited or gone

local token, fingerprints = KEYS[1], KEYS[2]
local id, version, rec, fingerprint = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

local f = redis.call('HMGET', token, 'ver', 'fingerprint', 'upstream')
if f[1] ~= version then return 0 end
redis.call('HSET', token, 'rec', rec, 'fingerprint', fingerprint)
redis.call('HINCRBY', token, 'ver', 1)
redis.call('HDEL', fingerprints, f[3] .. ' ' .. f[2])
redis.call('HSET', fingerprints, f[3] .. ' ' .. fingerprint, id)
return 1
