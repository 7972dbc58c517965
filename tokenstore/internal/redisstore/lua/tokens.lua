-- Reads a page of tokens in order of creation.
-- KEYS[1] zset ids: all token ids by creation, in µs
-- DYNKEY hash c1:{pool}:token:<id>
-- DYNKEY zset c1:{pool}:inflight:<id>
-- ARGV[1] token_prefix key prefix
-- ARGV[2] inflight_prefix key prefix
-- ARGV[3] after µs: the creation that the page comes after
-- ARGV[4] count tokens at most
-- RETURN {now_ms, then per token: id, leases open, {field, value, …}}

local ids, token_prefix, inflight_prefix, after, count = KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4]

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

local answer = { now }
for _, id in ipairs(redis.call('ZRANGEBYSCORE', ids, '(' .. after, '+inf', 'LIMIT', 0, count)) do
  answer[#answer + 1] = id
  answer[#answer + 1] = redis.call('ZCOUNT', inflight_prefix .. id, '(' .. now, '+inf')
  answer[#answer + 1] = redis.call('HGETALL', token_prefix .. id)
end
return answer
