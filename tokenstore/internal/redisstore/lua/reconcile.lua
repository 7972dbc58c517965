-- Counts requests that a replica served from its reserve of one pool. A report that has been
-- counted changes nothing. One from before its token's last change of epoch is
-- counted, but says nothing of the token as it is now.
-- KEYS[1] string reconciled: the replica's highest number so far
-- DYNKEY hash c1:{pool:NAME}:token:<id>
-- ARGV[1] token_prefix key prefix
-- ARGV[2] ttl_ms ms that the number is remembered
-- ARGV[3...] per report, ascending: number, token id, epoch, effect (unused, success, neutral, failure), last_error text
-- RETURN per report: counted now (1 or 0), upstream name, epoch, `<streak> 0 <cause>` or empty when there is none

local reconciled, token_prefix, ttl = KEYS[1], ARGV[1], ARGV[2]
local call = redis.call

local time = call('TIME')
local now = string.format('%.0f', tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000))

local function number(value) return tonumber(value or '0') or 0 end

local function count(token, effect, detail, current)
  call('HINCRBY', token, 'requests', 1)
  call('HSET', token, 'last_used', now)
  if effect == 'failure' then
    call('HINCRBY', token, 'failures', 1)
    if current then call('HSET', token, 'last_error', detail) end
  elseif effect == 'success' and current then
    call('HSET', token, 'streak', 0, 'last_error', '')
  end
end

local highest = number(call('GET', reconciled))
local answer = {}
for i = 3, #ARGV, 5 do
  local n, token, epoch, effect = tonumber(ARGV[i]), token_prefix .. ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  local f = call('HMGET', token, 'upstream', 'epoch', 'streak', 'cause')
  local fresh = n > highest
  if fresh then
    highest = n
    if f[1] and effect ~= 'unused' then count(token, effect, ARGV[i + 4], f[2] == epoch) end
  end
  answer[#answer + 1] = fresh and f[1] and 1 or 0
  answer[#answer + 1] = f[1] or ''
  answer[#answer + 1] = number(f[2])
  answer[#answer + 1] = number(f[3]) == 0 and '' or string.format('%d 0 %s', number(f[3]), f[4] or '')
end
call('SET', reconciled, string.format('%.0f', highest), 'PX', ttl)
return answer
