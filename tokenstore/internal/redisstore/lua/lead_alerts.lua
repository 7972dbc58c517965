-- Makes a tokenstore the one that judges alerts, or keeps it that, unless another one is.
-- KEYS[1] hash leader: name, term, until in ms
-- KEYS[2] string board
-- KEYS[3] zset due: destinations that have a delivery on its way, by ms
-- ARGV[1] name of the tokenstore
-- ARGV[2] lead_ms ms for which it leads
-- RETURN {term, now in ms, board, destination, destination, …}
-- RETURN {}: another one leads
-- USE time

local leader, board, due = KEYS[1], KEYS[2], KEYS[3]
local name, lead = ARGV[1], tonumber(ARGV[2])
local call = redis.call

local held = call('HMGET', leader, 'name', 'until')
-- An end that lies further ahead than any is of a clock that was ahead.
local until_ms = math.min(tonumber(held[2] or '0'), now_ms + lead)
if held[1] ~= name then
  if until_ms > now_ms then return {} end
  call('HINCRBY', leader, 'term', 1)
end
call('HSET', leader, 'name', name, 'until', string.format('%.0f', now_ms + lead))
local answer = { call('HGET', leader, 'term'), now, call('GET', board) or '' }
for _, destination in ipairs(call('ZRANGE', due, 0, -1)) do answer[#answer + 1] = destination end
return answer
