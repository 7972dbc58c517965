-- Ends leases. A lease that has expired or was ended before changes nothing.
-- KEYS[1] hash clock: upstream to virtual time; places the script in its slot
-- DYNKEY hash c1:{pool}:token:<id>
-- DYNKEY zset c1:{pool}:inflight:<id>
-- DYNKEY zset c1:{pool}:order:<upstream>
-- ARGV[1] token_prefix key prefix
-- ARGV[2] inflight_prefix key prefix
-- ARGV[3] order_prefix key prefix
-- ARGV[4] channel where freed capacity is told
-- ARGV[5...] per lease: token id, lease id, effect (unused, success, neutral, failure), last_error text
-- RETURN per lease: live (1 or 0), epoch, streak, cooling_ms

local token_prefix, inflight_prefix, order_prefix, channel = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

local answer, freed = {}, {}
for i = 5, #ARGV, 4 do
  local id, lease, effect, detail = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  local token = token_prefix .. id
  local f = redis.call('HMGET', token, 'upstream', 'epoch', 'streak', 'cooling', 'cap', 'weight', 'last_error')
  local live = redis.call('ZREM', inflight_prefix .. id, lease)
  local streak = tonumber(f[3] or '0') or 0
  if f[1] and live == 1 then
    if effect == 'unused' then
      local order = order_prefix .. f[1]
      if redis.call('ZSCORE', order, id) then
        redis.call('ZINCRBY', order, tostring(-1 / math.max(tonumber(f[6] or '1') or 1, 1)), id)
      end
    else
      redis.call('HINCRBY', token, 'requests', 1)
      if effect == 'failure' then
        redis.call('HINCRBY', token, 'failures', 1)
        redis.call('HSET', token, 'last_used', now, 'last_error', detail)
      elseif effect == 'success' and (streak > 0 or (f[7] and f[7] ~= '')) then
        redis.call('HSET', token, 'last_used', now, 'last_error', '', 'streak', 0)
      else
        redis.call('HSET', token, 'last_used', now)
      end
    end
    if (tonumber(f[5] or '0') or 0) > 0 then freed[f[1]] = true end
  end
  answer[#answer + 1] = live
  answer[#answer + 1] = tonumber(f[2] or '0') or 0
  answer[#answer + 1] = streak
  answer[#answer + 1] = tonumber(f[4] or '0') or 0
end
for upstream in pairs(freed) do redis.call('PUBLISH', channel, 'freed ' .. upstream) end
return answer
