-- Replaces how a token is sealed, and nothing that an admin sees, if nobody has
-- edited it since it was read.
-- KEYS[1] hash token
-- KEYS[2] zset lapsed: claims that were given up
-- ARGV[1] version that was read
-- ARGV[2] rec record
-- ARGV[3] fingerprint hex
-- ARGV[4] claim id, of another fingerprint; empty where it stays
-- ARGV[5] id token id
-- USE pool
-- USE rows
-- RETURN 1 done, 0 edited or gone, or the claim was given up

local token, lapsed = KEYS[1], KEYS[2]
local version, rec, fingerprint, claim = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

if redis.call('HGET', token, 'ver') ~= version then return 0 end
if redis.call('ZSCORE', lapsed, claim) then return 0 end
redis.call('HSET', token, 'rec', rec, 'fingerprint', fingerprint)
redis.call('HINCRBY', token, 'ver', 1)
put_row(ARGV[5])
return 1
