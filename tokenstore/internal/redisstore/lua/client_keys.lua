-- Reads the client keys that have changed since a mark, in the order of their changes.
-- KEYS[1] zset changes: ids by the mark of their last change
-- KEYS[2] string mark of the last change of all
-- DYNKEY hash c1:{keys}:key:<id>
-- ARGV[1] after mark
-- ARGV[2] most keys
-- ARGV[3] prefix of the keys
-- USE time
-- RETURN {now_ms, mark of the last change of all, then per key: id, mark, {field, value, …}}

local changes, mark, after, most, prefix = KEYS[1], KEYS[2], ARGV[1], ARGV[2], ARGV[3]

local answer = { now, redis.call('GET', mark) or '0' }
local changed = redis.call('ZRANGEBYSCORE', changes, '(' .. after, '+inf', 'WITHSCORES', 'LIMIT', 0, most)
for i = 1, #changed, 2 do
  answer[#answer + 1] = changed[i]
  answer[#answer + 1] = string.format('%.0f', tonumber(changed[i + 1]))
  answer[#answer + 1] = redis.call('HGETALL', prefix .. changed[i])
end
return answer
