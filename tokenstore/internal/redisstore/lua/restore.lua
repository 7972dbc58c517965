-- Undoes a deletion, that the directory has a claim of. Leases from before it stay
-- recalled. The token takes part in the rotation from its clock on, or from the end of its
-- cooling; one that was parked stays so.
-- KEYS[1] zset ids: the pool's token ids by creation, in µs
-- KEYS[2] hash token
-- KEYS[3] hash trash: the token as it was
-- KEYS[4] hash names: alias to token id
-- KEYS[5] stream history of the token
-- KEYS[6] zset lapsed: claims that were given up
-- ARGV[1] id token id
-- ARGV[2] channel where new capacity is told
-- ARGV[3] created µs
-- ARGV[4] claim id
-- USE pool
-- USE rows
-- USE standing
-- USE rejoin
-- USE errands
-- RETURN {'restored', version}
-- RETURN {'gone'}: there is no such deleted token
-- RETURN {'lapsed'}: the claim was given up

local ids, token, trash, names = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local history, lapsed = KEYS[5], KEYS[6]
local id, channel, created, claim = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

if redis.call('ZSCORE', lapsed, claim) then return { 'lapsed' } end
local f = redis.call('HMGET', trash, 'upstream', 'alias', 'enabled')
local upstream, alias, enabled = f[1], f[2], f[3]
if not upstream then return { 'gone' } end

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

redis.call('RENAME', trash, token)
redis.call('PERSIST', token)
redis.call('PERSIST', history)
redis.call('HDEL', token, 'due', 'holder', 'held', 'held_until', 'group') -- deletions of before left them
redis.call('HSET', token, 'created', created)
redis.call('HINCRBY', token, 'epoch', 1)
local version = redis.call('HINCRBY', token, 'ver', 1)
redis.call('ZADD', ids, created, id)
if alias ~= '' then redis.call('HSET', names, alias, id) end
if enabled == '1' then rejoin(id, now) end
stand(id)
plan_errands(id)
redis.call('PUBLISH', channel, 'freed ' .. upstream)
return { 'restored', string.format('%.0f', version) }
