-- Notes that somebody knows of a cause of failure that tokens share. What was noted of causes
-- that are over is forgotten.
-- KEYS[1] hash causes that tokens share: `<class> <model>` to state
-- KEYS[2] hash acknowledged causes: `<class> <model>` to `<since> <ms>`
-- ARGV[1] about `<class> <model>`
-- ARGV[2] keep_ms ms for which it is kept
-- USE time
-- RETURN 1 noted, 0 there is no such cause

local about, keep = ARGV[1], ARGV[2]

-- Since when a cause is there, nil: it is not, or it is over.
local function since_of(cause)
  return string.match(redis.call('HGET', KEYS[1], cause) or '', '^(%d+) %d+ %d+ %d+ %d+ %d+$')
end

for _, cause in ipairs(redis.call('HKEYS', KEYS[2])) do
  if not since_of(cause) then redis.call('HDEL', KEYS[2], cause) end
end
local since = since_of(about)
if not since then return 0 end
redis.call('HSET', KEYS[2], about, since .. ' ' .. now)
redis.call('PEXPIRE', KEYS[2], keep)
return 1
