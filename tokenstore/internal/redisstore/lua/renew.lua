-- Prolongs leases whose requests go on. A lease that is gone is taken again if
-- its token still has the lease's epoch and room under its cap and in its phase: so
-- leases survive a Redis that lost its last second. A probe of a model keeps others
-- out for as long as it goes on.
-- KEYS[1] hash clock: places the script in its slot
-- DYNKEY hash c1:{pool:NAME}:token:<id>
-- DYNKEY zset c1:{pool:NAME}:inflight:<id>
-- ARGV[1] token_prefix key prefix
-- ARGV[2] inflight_prefix key prefix
-- ARGV[3] ttl_ms ms
-- ARGV[4...] per lease: token id, lease id
-- USE pool
-- RETURN per lease: 1 held, 0 lost

local token_prefix, inflight_prefix, ttl = ARGV[1], ARGV[2], tonumber(ARGV[3])

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

-- Whether a lease that is gone can be taken again.
local function has_room(id, lease)
  local inflight = inflight_prefix .. id
  local f = redis.call('HMGET', token_prefix .. id, 'epoch', 'cap', 'phase')
  local epoch, cap, phase = f[1], tonumber(f[2] or '0') or 0, f[3]
  if not epoch or string.match(lease, '^(%d+)-') ~= epoch then return false end
  if cap > 0 and redis.call('ZCOUNT', inflight, '(' .. now, '+inf') >= cap then return false end
  if not phase then return true end
  local n = 0
  for _, other in ipairs(redis.call('ZRANGEBYSCORE', inflight, '(' .. now, '+inf')) do
    if string.match(other, '^(%d+)-') == epoch then n = n + 1 end
  end
  return n < (tonumber(phase) or 1)
end

local function prolong_probe(id, lease)
  local token = token_prefix .. id
  local f = redis.call('HGETALL', token)
  for i = 1, #f, 2 do
    local streak, holder = string.match(f[i + 1], '^%d+ (%d+) (.+)$')
    if string.sub(f[i], 1, 2) == 'm:' and holder == lease then
      redis.call('HSET', token, f[i], string.format('%.0f', now + ttl) .. ' ' .. streak .. ' ' .. lease)
    end
  end
end

local answer = {}
for i = 4, #ARGV, 2 do
  local id, lease = ARGV[i], ARGV[i + 1]
  local inflight = inflight_prefix .. id
  local expiry = redis.call('ZSCORE', inflight, lease)
  local held = 0
  if expiry and tonumber(expiry) > now or has_room(id, lease) then held = 1 end
  if held == 1 then
    redis.call('ZADD', inflight, now + ttl, lease)
    redis.call('ZADD', pool .. 'leases', now + ttl, id .. ' ' .. lease)
    if not expiry or tonumber(expiry) <= now then stir(id) end
    if string.sub(lease, -2) == '-p' then prolong_probe(id, lease) end
  end
  answer[#answer + 1] = held
end
return answer
