-- Adds a token to an upstream's pool, unless it is known there. It is in quarantine
-- until a request with it has succeeded.
-- KEYS[1] zset ids: all token ids by creation, in µs
-- KEYS[2] hash token: the new one
-- KEYS[3] hash alias to token id
-- KEYS[4] hash fingerprints: `<upstream> <fingerprint>` to token id
-- KEYS[5] hash upstreams: name to record
-- KEYS[6] zset order: token id by score
-- KEYS[7] hash clock: upstream to virtual time
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
-- RETURN {'created'}
-- RETURN {'known', id}: the upstream has the token already
-- RETURN {'alias', id}: that token has the alias
-- RETURN {'upstream'}: there is no such upstream

local ids, token, aliases, fingerprints = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local upstreams, order, clock = KEYS[5], KEYS[6], KEYS[7]
local id, upstream, alias, fingerprint = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local channel = ARGV[10]

if redis.call('HEXISTS', upstreams, upstream) == 0 then return { 'upstream' } end
local known = redis.call('HGET', fingerprints, upstream .. ' ' .. fingerprint)
if known then return { 'known', known } end
local holder = alias ~= '' and redis.call('HGET', aliases, alias)
if holder then return { 'alias', holder } end

-- Creation times are unique and ascend, so that a list can be paged by them.
local time = redis.call('TIME')
local created = tonumber(time[1]) * 1000000 + tonumber(time[2])
local newest = redis.call('ZRANGE', ids, -1, -1)[1]
if newest then created = math.max(created, tonumber(redis.call('ZSCORE', ids, newest)) + 1) end
created = string.format('%.0f', created)

redis.call('ZADD', ids, created, id)
redis.call('HSET', token, 'rec', ARGV[9], 'ver', 1, 'epoch', 1, 'upstream', upstream, 'alias', alias,
  'fingerprint', fingerprint, 'created', created, 'enabled', ARGV[5], 'cap', ARGV[6], 'weight', ARGV[7],
  'expires', ARGV[8], 'phase', 'new')
redis.call('HSET', fingerprints, upstream .. ' ' .. fingerprint, id)
if alias ~= '' then redis.call('HSET', aliases, alias, id) end
if ARGV[5] == '1' then redis.call('ZADD', order, redis.call('HGET', clock, upstream) or '0', id) end
redis.call('PUBLISH', channel, 'freed ' .. upstream)
return { 'created' }
