-- Prolongs leases whose requests go on. A lease that is gone is taken again if
-- its token still has the lease's epoch and room under its cap: so leases
-- survive a Redis that lost its last second.
-- KEYS[1] hash clock: upstream to virtual time; places the script in its slot
-- DYNKEY hash c1:{pool}:token:<id>
-- DYNKEY zset c1:{pool}:inflight:<id>
-- ARGV[1] token_prefix key prefix
-- ARGV[2] inflight_prefix key prefix
-- ARGV[3] ttl_ms ms
-- ARGV[4...] per lease: token id, lease id
-- RETURN per lease: 1 held, 0 lost

local token_prefix, inflight_prefix, ttl = ARGV[1], ARGV[2], tonumber(ARGV[3])

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

local answer = {}
for i = 4, #ARGV, 2 do
  local id, lease = ARGV[i], ARGV[i + 1]
  local inflight = inflight_prefix .. id
  local expiry = redis.call('ZSCORE', inflight, lease)
  local held = 0
  if expiry and tonumber(expiry) > now then
    held = 1
  else
    local f = redis.call('HMGET', token_prefix .. id, 'epoch', 'cap')
    local cap = tonumber(f[2] or '0') or 0
    if f[1] and string.match(lease, '^(%d+)-') == f[1]
      and (cap == 0 or redis.call('ZCOUNT', inflight, '(' .. now, '+inf') < cap) then
      held = 1
    end
  end
  if held == 1 then redis.call('ZADD', inflight, now + ttl, lease) end
  answer[#answer + 1] = held
end
return answer
