-- Reads some fields of tokens of one pool. Of a record without tags, which is long, nothing is told.
-- KEYS[1] hash clock: places the script in its slot
-- DYNKEY hash c1:{pool:NAME}:token:<id>
-- ARGV[1] token_prefix key prefix
-- ARGV[2] count fields
-- ARGV[3...] names of fields, then ids of tokens
-- RETURN {now_ms, then per token the values of the fields, in their order, as one list}

local prefix, count = ARGV[1], tonumber(ARGV[2])

local time = redis.call('TIME')
local names, record = {}, nil
for i = 1, count do
  names[i] = ARGV[2 + i]
  if names[i] == 'rec' then record = i end
end
local answer = { tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) }
for i = 3 + count, #ARGV do
  local values = redis.call('HMGET', prefix .. ARGV[i], unpack(names))
  if record and values[record] and not string.find(values[record], '"tags":', 1, true) then values[record] = '' end
  answer[#answer + 1] = values
end
return answer
