-- Ends a claim, with the answer to remember or without one. What is remembered of all
-- keys is bounded: the answers that would expire first make room.
-- KEYS[1] hash the key's claim
-- KEYS[2] zset remembered answers, `<hash> <bytes>`, by the ms at which they expire
-- KEYS[3] string bytes of the remembered answers
-- DYNKEY hash c1:{once}:answer:<hash>
-- ARGV[1] hash of the key, in hex
-- ARGV[2] owner text
-- ARGV[3] answer sealed, '' for none
-- ARGV[4] window ms
-- ARGV[5] room bytes for all answers
-- ARGV[6] answer_prefix key prefix
-- RETURN 1, or 0 when the owner has lost the claim

local f = redis.call('HMGET', KEYS[1], 'owner', 'answer')
if f[1] ~= ARGV[2] or f[2] then
  return 0
end
if ARGV[3] == '' then
  redis.call('DEL', KEYS[1])
  return 1
end

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local used = tonumber(redis.call('GET', KEYS[3]) or '0')
local size, room, window = #ARGV[3], tonumber(ARGV[5]), tonumber(ARGV[4])

local function forget(member)
  local hash, bytes = string.match(member, '^(%x+) (%d+)$')
  redis.call('ZREM', KEYS[2], member)
  redis.call('DEL', ARGV[6] .. hash)
  used = used - tonumber(bytes)
end

for _, member in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', string.format('%.0f', now))) do
  forget(member)
end
while used + size > room do
  local first = redis.call('ZRANGE', KEYS[2], 0, 0)[1]
  if not first then
    used = 0
    break
  end
  forget(first)
end

redis.call('HSET', KEYS[1], 'answer', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
redis.call('ZADD', KEYS[2], string.format('%.0f', now + window), ARGV[1] .. ' ' .. size)
redis.call('SET', KEYS[3], string.format('%.0f', used + size))
-- A shorter window must not end the index before the answers that it has.
if redis.call('PTTL', KEYS[2]) < window then
  redis.call('PEXPIRE', KEYS[2], ARGV[4])
end
redis.call('PEXPIRE', KEYS[3], redis.call('PTTL', KEYS[2]))
return 1
