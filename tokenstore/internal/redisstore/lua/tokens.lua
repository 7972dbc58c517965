-- Reads tokens of one pool.
-- KEYS[1] hash clock: places the script in its slot
-- DYNKEY hash c1:{pool:NAME}:token:<id>
-- DYNKEY zset c1:{pool:NAME}:inflight:<id>
-- ARGV[1] token_prefix key prefix
-- ARGV[2] inflight_prefix key prefix
-- ARGV[3...] ids of tokens
-- RETURN {now_ms, then per token: leases open, {field, value, …}, without any where it is gone}

local token_prefix, inflight_prefix = ARGV[1], ARGV[2]

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

local answer = { now }
for i = 3, #ARGV do
  answer[#answer + 1] = redis.call('ZCOUNT', inflight_prefix .. ARGV[i], '(' .. now, '+inf')
  answer[#answer + 1] = redis.call('HGETALL', token_prefix .. ARGV[i])
end
return answer
