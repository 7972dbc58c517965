-- Adds a token, that the directory has a claim of, to its pool. It is in quarantine until
-- a request with it has succeeded.
-- KEYS[1] zset ids: the pool's token ids by creation, in µs
-- KEYS[2] hash token: the new one
-- KEYS[3] hash names: alias to token id
-- KEYS[4] hash clock: `at` virtual time
-- KEYS[5] zset lapsed: claims that were given up
-- ARGV[1] id token id
-- ARGV[2] upstream name
-- ARGV[3] alias text, may be empty
-- ARGV[4] fingerprint hex
-- ARGV[5] enabled 1 or 0
-- ARGV[6] cap leases at a time
-- ARGV[7] weight number
-- ARGV[8] expires_ms ms
-- ARGV[9] rec record
-- ARGV[10] channel where new capacity is told
-- ARGV[11] created µs
-- ARGV[12] claim id
-- USE pool
-- USE standing
-- RETURN {'created'}
-- RETURN {'lapsed'}: the claim was given up

local ids, token, names, clock, lapsed = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local id, upstream, alias, fingerprint = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local channel, created, claim = ARGV[10], ARGV[11], ARGV[12]

if redis.call('ZSCORE', lapsed, claim) then return { 'lapsed' } end
redis.call('ZADD', ids, created, id)
redis.call('HSET', token, 'rec', ARGV[9], 'ver', 1, 'epoch', 1, 'upstream', upstream, 'alias', alias,
  'fingerprint', fingerprint, 'created', created, 'enabled', ARGV[5], 'cap', ARGV[6], 'weight', ARGV[7],
  'expires', ARGV[8], 'phase', 'new')
if alias ~= '' then redis.call('HSET', names, alias, id) end
if ARGV[5] == '1' then enter(id, redis.call('HGET', clock, 'at') or '0') end
stand(id)
redis.call('PUBLISH', channel, 'freed ' .. upstream)
return { 'created' }
