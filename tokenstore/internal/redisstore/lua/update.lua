-- Replaces what an admin may edit of a token, if nobody else has since it was
-- read. A change that must not wait for open leases recalls them; a token that is
-- disabled leaves the rotation, one that is enabled again starts afresh, at the
-- rotation's clock.
-- KEYS[1] hash token
-- KEYS[2] hash names: alias to token id
-- KEYS[3] hash clock: `at` virtual time
-- KEYS[4] zset order: token id by score
-- KEYS[5] zset cooling: token id by the time, in ms, at which it is back
-- KEYS[6] zset lapsed: claims that were given up
-- ARGV[1] id token id
-- ARGV[2] version that was read
-- ARGV[3] alias text, may be empty
-- ARGV[4] enabled 1 or 0
-- ARGV[5] cap leases at a time
-- ARGV[6] weight number
-- ARGV[7] rec record
-- ARGV[8] recall 1: what leases carry has changed
-- ARGV[9] channel where recalls and new capacity are told
-- ARGV[10] claim id, of another alias; empty where it stays
-- ARGV[11] disabled_until ms; 0: it is enabled, or only an admin enables it
-- USE pool
-- USE rows
-- USE standing
-- USE marks
-- USE errands
-- RETURN {'updated'}
-- RETURN {'gone'}: there is no such token
-- RETURN {'conflict', version}: it has another version
-- RETURN {'lapsed'}: the claim was given up

local token, names, clock, order, cooling, lapsed = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local id, version, alias = ARGV[1], ARGV[2], ARGV[3]
local enabled, cap, weight, rec, recall = ARGV[4], ARGV[5], ARGV[6], ARGV[7], ARGV[8]
local channel, claim, disabled_until = ARGV[9], ARGV[10], ARGV[11]

local f = redis.call('HMGET', token, 'ver', 'alias', 'enabled', 'cap', 'upstream', 'due', 'phase', 'weight')
local was = { version = f[1], alias = f[2], enabled = f[3], cap = f[4], upstream = f[5], due = f[6], phase = f[7], weight = f[8] }
if not was.version then return { 'gone' } end
if was.version ~= version then return { 'conflict', was.version } end
if redis.call('ZSCORE', lapsed, claim) then return { 'lapsed' } end

redis.call('HSET', token, 'rec', rec, 'alias', alias, 'enabled', enabled, 'cap', cap, 'weight', weight)
redis.call('HINCRBY', token, 'ver', 1)
if disabled_until == '0' then
  redis.call('HDEL', token, 'disabled_until')
else
  redis.call('HSET', token, 'disabled_until', disabled_until)
end
if was.alias ~= alias then
  if was.alias ~= '' then redis.call('HDEL', names, was.alias) end
  if alias ~= '' then redis.call('HSET', names, alias, id) end
end
if enabled ~= was.enabled then
  local stale = { 'due' }
  if enabled == '1' then
    clear_marks(token)
    stale[#stale + 1] = 'cooling'
    stale[#stale + 1] = 'streak'
    stale[#stale + 1] = 'cause'
    if was.phase ~= 'new' then stale[#stale + 1] = 'phase' end
    try_again(id)
    enter(id, redis.call('HGET', clock, 'at') or '0')
  else
    redis.call('ZREM', order, id)
  end
  redis.call('HDEL', token, unpack(stale))
  redis.call('ZREM', cooling, id)
elseif was.due then -- set aside for want of room, which may be another one now
  redis.call('HDEL', token, 'due')
  redis.call('ZREM', cooling, id)
  enter(id, was.due)
elseif weight ~= was.weight then
  stir(id)
end
stand(id)
if recall == '1' or enabled ~= was.enabled or cap ~= was.cap then
  local epoch = redis.call('HINCRBY', token, 'epoch', 1)
  redis.call('PUBLISH', channel, 'recall ' .. id .. ' ' .. epoch)
end
redis.call('PUBLISH', channel, 'freed ' .. was.upstream)
return { 'updated' }
