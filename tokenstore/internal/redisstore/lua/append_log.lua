-- Appends a replica's log entries, counts them by minute and by hour, and adds up what they
-- used by hour and by day. When it has appended the first one before, by its sequence, it
-- appends none: a batch may be sent again, and what is known has to be taken out of it.
-- KEYS[1] stream entries, in blocks
-- KEYS[2] hash kept: `size` entries of the stream
-- KEYS[3] stream order of the prompts: ids of blocks
-- KEYS[4] hash prompts: id of a block to its sealed prompts
-- KEYS[5] string bytes of the prompts
-- KEYS[6] string sequence: the replica's highest so far
-- DYNKEY hash c1:{log}:minute:<minutes since 1970>
-- DYNKEY hash c1:{log}:hour:<hours since 1970>
-- DYNKEY hash c1:{log}:use:<key or token>:<hour or day>:<number since 1970>
-- USE use
-- ARGV[1] ttl_ms ms that a replica's sequence is remembered
-- ARGV[2] first sequence
-- ARGV[3] last sequence
-- ARGV[4] minute_prefix key prefix
-- ARGV[5] minute_ttl s that a minute is remembered
-- ARGV[6] hour_prefix key prefix
-- ARGV[7] hour_ttl s that an hour is remembered
-- ARGV[8] counts what all add to the counters: name, number, name, number … by spaces
-- ARGV[9] use JSON: of each table and unit of time the prefix of its keys, the unit's length in
-- s, the ttl in s, and the cells of the table; how many cells a hash has before it is full, and
-- overfull
-- ARGV[10...] per block: its entries, the block, its sealed prompts or empty
-- RETURN 0 when all were appended, else the replica's highest sequence

local entries, kept, order, prompts, bytes, sequence = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local ttl, first, last = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local minute_prefix, minute_ttl = ARGV[4], ARGV[5]
local hour_prefix, hour_ttl = ARGV[6], ARGV[7]
local counts, use = ARGV[8], cjson.decode(ARGV[9])
local call = redis.call

local highest = tonumber(call('GET', sequence) or '0')
if highest >= first then
  call('PEXPIRE', sequence, ttl)
  return highest
end
local size, added = 0, 0
for i = 10, #ARGV, 3 do
  local count, sealed = ARGV[i], ARGV[i + 2]
  local id = call('XADD', entries, '*', 'n', count, 'b', ARGV[i + 1])
  size = size + count
  if sealed ~= '' then
    call('XADD', order, id, 'p', '')
    call('HSET', prompts, id, sealed)
    added = added + #sealed
  end
end
call('HINCRBY', kept, 'size', size)
if added > 0 then call('INCRBY', bytes, added) end
call('SET', sequence, last, 'PX', ttl)

local names, numbers = {}, {}
for name, count in string.gmatch(counts, '(%S+) (%d+)') do
  names[#names + 1], numbers[#numbers + 1] = name, count
end
local function count_in(key, ttl)
  local sums = {}
  for i, old in ipairs(call('HMGET', key, unpack(names))) do
    sums[2 * i - 1], sums[2 * i] = names[i], string.format('%.0f', (old or 0) + numbers[i])
  end
  call('HSET', key, unpack(sums))
  call('EXPIRE', key, ttl)
end
local now = tonumber(call('TIME')[1])
count_in(minute_prefix .. string.format('%.0f', math.floor(now / 60)), minute_ttl)
count_in(hour_prefix .. string.format('%.0f', math.floor(now / 3600)), hour_ttl)
for _, part in ipairs(use.parts) do
  local key = part.prefix .. string.format('%.0f', math.floor(now / part.length))
  add_use(key, part.ttl, use.cells[part.table], use.full, use.overfull)
end
return 0
