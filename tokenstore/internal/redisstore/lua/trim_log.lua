-- Forgets the log entries that are too many or too old, and their prompts with them; then
-- the oldest prompts that are too many; all prompts where none are to be kept. It deletes
-- before it counts: a full server carries that out.
-- KEYS[1] stream entries
-- KEYS[2] stream order of the prompts: ids as in entries
-- KEYS[3] hash prompts: id of an entry to its sealed prompt
-- KEYS[4] string bytes of the prompts
-- ARGV[1] count entries kept
-- ARGV[2] age_ms ms that entries are kept; 0: for ever
-- ARGV[3] keep_prompts 1 or 0
-- ARGV[4] limit bytes that all prompts may have
-- ARGV[5] release bytes of prompts that are to go in any case
-- ARGV[6] most prompts that go at a time
-- RETURN 1 when there are more to forget, else 0

local entries, order, prompts, bytes = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local count, age, keep_prompts = ARGV[1], tonumber(ARGV[2]), ARGV[3] == '1'
local limit, release, most = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local call = redis.call

call('XTRIM', entries, 'MAXLEN', count)
if age > 0 then
  local time = call('TIME')
  local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
  call('XTRIM', entries, 'MINID', string.format('%.0f', math.max(now - age, 0)))
end
local oldest = keep_prompts and call('XRANGE', entries, '-', '+', 'COUNT', 1)[1]
if not oldest then
  call('UNLINK', order, prompts, bytes)
  return 0
end

local total = tonumber(call('GET', bytes) or '0')
local goal = math.min(limit, total - release)
local gone, freed = 0, 0
local function forget(id)
  freed = freed + call('HSTRLEN', prompts, id)
  gone = gone + 1
  call('HDEL', prompts, id)
  call('XDEL', order, id)
end
local more = 0
repeat
  local batch = call('XRANGE', order, '-', '(' .. oldest[1], 'COUNT', 100)
  for _, each in ipairs(batch) do forget(each[1]) end
until #batch == 0 or gone >= most
while total - freed > goal and gone < most do
  local batch = call('XRANGE', order, '-', '+', 'COUNT', 20)
  if #batch == 0 then break end
  for _, each in ipairs(batch) do
    if total - freed <= goal or gone >= most then break end
    forget(each[1])
  end
end
if gone >= most then more = 1 end
if freed > 0 then call('DECRBY', bytes, string.format('%.0f', freed)) end
return more
