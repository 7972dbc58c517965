-- Reads some fields of tokens of one pool. Of records, which are long, the end is told that has the
-- tags, as JSON, and of one without them nothing.
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
  local text = record and values[record]
  if text then
    local tags = string.find(text, '"tags":', 1, true) -- a quote within a text has a backslash before it
    values[record] = tags and '{' .. string.sub(text, tags) or ''
  end
  answer[#answer + 1] = values
end
return answer
