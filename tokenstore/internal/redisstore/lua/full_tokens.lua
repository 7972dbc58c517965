-- Says which tokens of a pool have no room now, for all that else is well with them, and when
-- the first of those that cool is back. It looks at those that have requests under way.
-- KEYS[1] zset leases: `<token id> <lease id>` of all open leases by expiry, in ms
-- KEYS[2] zset rests: token id by the end of its cooling, in ms
-- DYNKEY hash c1:{pool:NAME}:token:<id>
-- ARGV[1] lead_ms ms before its expiry from which a token counts as expired
-- ARGV[2] count leases that are looked at, at most
-- USE pool
-- USE time
-- USE numbers
-- USE usable
-- RETURN {ms at which the first is back or 0, then id per token without room}

local lead, count = tonumber(ARGV[1]), ARGV[2]
local ahead_of_now = '(' .. now

local first = redis.call('ZRANGEBYSCORE', KEYS[2], ahead_of_now, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
local answer, under_way = { whole(number(first[2])) }, {}
for _, lease in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], ahead_of_now, '+inf', 'LIMIT', 0, count)) do
  local id = string.match(lease, '^%S+')
  under_way[id] = (under_way[id] or 0) + 1
end
for id, n in pairs(under_way) do
  local usable, cap, phase = examine(id, now_ms + lead)
  local room = cap > 0 and cap - n or nil
  if phase then
    local allowed = phase == 'new' and 1 - n or number(phase) - n
    room = math.min(room or allowed, allowed)
  end
  if usable and room and room <= 0 then answer[#answer + 1] = id end
end
return answer
