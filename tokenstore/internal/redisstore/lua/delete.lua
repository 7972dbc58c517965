-- Removes a token and recalls its leases. For some time it can be restored. That is a
-- version too: what the directory hears of the versions before, it knows to be older.
-- KEYS[1] zset ids: the pool's token ids by creation, in µs
-- KEYS[2] hash token
-- KEYS[3] zset inflight: open leases by expiry, in ms
-- KEYS[4] hash names: alias to token id
-- KEYS[5] zset order: token id by score
-- KEYS[6] hash trash: the token as it was
-- KEYS[7] stream history of the token
-- KEYS[8] zset cooling: token id by the time, in ms, at which it is back
-- KEYS[9] zset lapsed: claims that were given up
-- DYNKEY zset c1:{pool:NAME}:held ids of tokens of which slots are held in reserve
-- DYNKEY set c1:{pool:NAME}:holds:<replica> ids of the tokens that it holds
-- ARGV[1] id token id
-- ARGV[2] version expected; 0: any
-- ARGV[3] channel where recalls are told
-- ARGV[4] trash_ms ms for which it can be restored
-- ARGV[5] claim id
-- USE pool
-- USE rows
-- USE standing
-- USE numbers
-- USE ranks
-- USE group
-- USE errands
-- RETURN {'deleted', version}: the new one
-- RETURN {'lapsed'}: the claim was given up
-- RETURN {'gone'}: there is no such token
-- RETURN {'conflict', version}: it has another version

local ids, token, inflight, names, order, trash = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local history, cooling, lapsed = KEYS[7], KEYS[8], KEYS[9]
local id, version, channel, trash_ms, claim = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]

if redis.call('ZSCORE', lapsed, claim) then return { 'lapsed' } end
local f = redis.call('HMGET', token, 'ver', 'alias', 'epoch', 'holder', 'group')
if not f[1] then return { 'gone' } end
if version ~= '0' and version ~= f[1] then return { 'conflict', f[1] } end

if f[5] then leave_group(id, f[5]) end
local deleted = redis.call('HINCRBY', token, 'ver', 1)
redis.call('HDEL', token, 'due', 'holder', 'held', 'held_until', 'refreshing', 'asking')
redis.call('RENAME', token, trash)
redis.call('PEXPIRE', trash, trash_ms)
redis.call('PEXPIRE', history, trash_ms)
forget_leases(id)
redis.call('DEL', inflight)
stand(id)
redis.call('ZREM', ids, id)
forget_errands(id)
redis.call('ZREM', order, id)
redis.call('ZREM', cooling, id)
leave_ranks(id)
redis.call('SREM', pool .. 'stirred', id)
redis.call('ZREM', pool .. 'held', id)
if f[4] then redis.call('SREM', pool .. 'holds:' .. f[4], id) end
if f[2] ~= '' then redis.call('HDEL', names, f[2]) end
redis.call('PUBLISH', channel, 'recall ' .. id .. ' ' .. string.format('%.0f', tonumber(f[3]) + 1))
return { 'deleted', string.format('%.0f', deleted) }
