-- Undoes a deletion. Leases from before it stay recalled. The token takes part in
-- the rotation from its clock on, or from the end of its cooling; one that was
-- parked stays so.
-- KEYS[1] zset ids: all token ids by creation, in µs
-- KEYS[2] hash token
-- KEYS[3] hash trash: the token as it was
-- KEYS[4] hash alias to token id
-- KEYS[5] hash fingerprints: `<upstream> <fingerprint>` to token id
-- KEYS[6] hash upstreams: name to record
-- KEYS[7] hash clock: upstream to virtual time
-- KEYS[8] stream history of the token
-- DYNKEY zset c1:{pool}:order:<upstream>
-- DYNKEY zset c1:{pool}:cooling:<upstream>
-- ARGV[1] id token id
-- ARGV[2] order_prefix key prefix
-- ARGV[3] cooling_prefix key prefix
-- ARGV[4] channel where new capacity is told
-- RETURN {'restored'}
-- RETURN {'gone'}: there is no such deleted token
-- RETURN {'known', id, upstream}: the upstream has the secret again, under this id
-- RETURN {'alias', id, alias}: that token has the alias
-- RETURN {'upstream', name}: its upstream is gone

local ids, token, trash, aliases, fingerprints = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local upstreams, clock, history = KEYS[6], KEYS[7], KEYS[8]
local id, order_prefix, cooling_prefix, channel = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

local f = redis.call('HMGET', trash, 'upstream', 'alias', 'fingerprint', 'created', 'enabled', 'cooling', 'phase')
local upstream, alias, fingerprint, created, enabled, cooling = f[1], f[2], f[3], f[4], f[5], f[6]
if not upstream then return { 'gone' } end
if redis.call('HEXISTS', upstreams, upstream) == 0 then return { 'upstream', upstream } end
local known = redis.call('HGET', fingerprints, upstream .. ' ' .. fingerprint)
if known then return { 'known', known, upstream } end
local holder = alias ~= '' and redis.call('HGET', aliases, alias)
if holder then return { 'alias', holder, alias } end

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

-- Its place in lists. No two tokens have the same.
while redis.call('ZCOUNT', ids, created, created) > 0 do
  created = string.format('%.0f', tonumber(created) + 1)
end
redis.call('RENAME', trash, token)
redis.call('PERSIST', token)
redis.call('PERSIST', history)
redis.call('HDEL', token, 'due')
redis.call('HSET', token, 'created', created)
redis.call('HINCRBY', token, 'epoch', 1)
redis.call('HINCRBY', token, 'ver', 1)
redis.call('ZADD', ids, created, id)
redis.call('HSET', fingerprints, upstream .. ' ' .. fingerprint, id)
if alias ~= '' then redis.call('HSET', aliases, alias, id) end
if f[7] == 'parked' then enabled = '0' end
if enabled == '1' and (tonumber(cooling or '0') or 0) > now then
  redis.call('ZADD', cooling_prefix .. upstream, cooling, id)
elseif enabled == '1' then
  redis.call('ZADD', order_prefix .. upstream, redis.call('HGET', clock, upstream) or '0', id)
end
redis.call('PUBLISH', channel, 'freed ' .. upstream)
return { 'restored' }
