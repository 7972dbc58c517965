-- Removes a token and recalls its leases. For some time it can be restored.
-- KEYS[1] zset ids: all token ids by creation, in µs
-- KEYS[2] hash token
-- KEYS[3] zset inflight: open leases by expiry, in ms
-- KEYS[4] hash alias to token id
-- KEYS[5] hash fingerprints: `<upstream> <fingerprint>` to token id
-- KEYS[6] hash trash: the token as it was
-- KEYS[7] stream history of the token
-- DYNKEY zset c1:{pool}:order:<upstream>
-- DYNKEY zset c1:{pool}:cooling:<upstream>
-- ARGV[1] id token id
-- ARGV[2] version expected; 0: any
-- ARGV[3] order_prefix key prefix
-- ARGV[4] cooling_prefix key prefix
-- ARGV[5] channel where recalls are told
-- ARGV[6] trash_ms ms for which it can be restored
-- RETURN {'deleted'}
-- RETURN {'gone'}: there is no such token
-- RETURN {'conflict', version}: it has another version

local ids, token, inflight, aliases, fingerprints, trash = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local history = KEYS[7]
local id, version, order_prefix, cooling_prefix, channel = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local trash_ms = ARGV[6]

local f = redis.call('HMGET', token, 'ver', 'alias', 'fingerprint', 'upstream', 'epoch')
if not f[1] then return { 'gone' } end
if version ~= '0' and version ~= f[1] then return { 'conflict', f[1] } end

redis.call('RENAME', token, trash)
redis.call('PEXPIRE', trash, trash_ms)
redis.call('PEXPIRE', history, trash_ms)
redis.call('DEL', inflight)
redis.call('ZREM', ids, id)
redis.call('ZREM', order_prefix .. f[4], id)
redis.call('ZREM', cooling_prefix .. f[4], id)
redis.call('HDEL', fingerprints, f[4] .. ' ' .. f[3])
if f[2] ~= '' then redis.call('HDEL', aliases, f[2]) end
redis.call('PUBLISH', channel, 'recall ' .. id .. ' ' .. string.format('%.0f', tonumber(f[5]) + 1))
return { 'deleted' }
