-- Forgets the log entries that are too many or too old, and their prompts with them; then
-- the oldest prompts that are too many; all prompts where none are to be kept. A block goes as
-- a whole: of one that has entries to keep it is said how many are gone. It deletes before it
-- counts: a full server carries that out.
-- KEYS[1] stream entries, in blocks of `n`; an item without that is one entry
-- KEYS[2] hash kept: `size` entries of the stream, `gone` of those in its oldest block
-- KEYS[3] stream order of the prompts: ids of blocks
-- KEYS[4] hash prompts: id of a block to its sealed prompts
-- KEYS[5] string bytes of the prompts
-- ARGV[1] count entries kept
-- ARGV[2] age_ms ms that entries are kept; 0: for ever
-- ARGV[3] keep_prompts 1 or 0
-- ARGV[4] limit bytes that all prompts may have
-- ARGV[5] release bytes of prompts that are to go in any case
-- ARGV[6] most blocks, and prompts of blocks, that go at a time
-- RETURN 1 when there are more to forget, else 0

local entries, kept, order, prompts, bytes = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local count, age, keep_prompts = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3] == '1'
local limit, release, most = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local call = redis.call

local since = 0
if age > 0 then
  local time = call('TIME')
  since = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) - age
end
local function entries_of(block)
  local fields = block[2]
  return fields[1] == 'n' and tonumber(fields[2]) or 1
end

-- The first block that has an entry to keep, and how many entries there are from it on.
local size = tonumber(call('HGET', kept, 'size') or '0')
local before, passed, from, oldest = size, 0, '-', nil
repeat
  local batch = call('XRANGE', entries, from, '+', 'COUNT', 2)
  for _, block in ipairs(batch) do
    local ms, n = tonumber(string.match(block[1], '^%d+')), entries_of(block)
    if passed >= most or ms >= since and size - n < count then
      oldest = block[1]
      break
    end
    size, passed, from = size - n, passed + 1, '(' .. block[1]
  end
until oldest or #batch == 0

-- What is gone of the oldest block stays so, also when more may be kept.
local parted = passed == 0 and tonumber(call('HGET', kept, 'gone') or '0') or 0
if passed < most then parted = math.max(parted, size - count) end

call('HDEL', kept, 'gone')
if not oldest then
  call('XTRIM', entries, 'MAXLEN', 0)
  call('UNLINK', kept, order, prompts, bytes)
  return 0
end
if passed > 0 then call('XTRIM', entries, 'MINID', oldest) end
if size ~= before then call('HSET', kept, 'size', string.format('%.0f', size)) end
if parted > 0 then call('HSET', kept, 'gone', string.format('%.0f', parted)) end
if not keep_prompts then
  call('UNLINK', order, prompts, bytes)
  return passed >= most and 1 or 0
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
repeat
  local batch = call('XRANGE', order, '-', '(' .. oldest, 'COUNT', 100)
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
if freed > 0 then call('DECRBY', bytes, string.format('%.0f', freed)) end
return (passed >= most or gone >= most) and 1 or 0
