-- Appends a replica's log entries and counts them by minute and by hour. When it has
-- appended the first one before, by its sequence, it appends none: a batch may be
-- sent again, and what is known has to be taken out of it.
-- KEYS[1] stream entries
-- KEYS[2] stream order of the prompts: ids as in entries
-- KEYS[3] hash prompts: id of an entry to its sealed prompt
-- KEYS[4] string bytes of the prompts
-- KEYS[5] string sequence: the replica's highest so far
-- DYNKEY hash c1:{log}:minute:<minutes since 1970>
-- DYNKEY hash c1:{log}:hour:<hours since 1970>
-- ARGV[1] ttl_ms ms that a replica's sequence is remembered
-- ARGV[2] first sequence
-- ARGV[3] last sequence
-- ARGV[4] minute_prefix key prefix
-- ARGV[5] minute_ttl s that a minute is remembered
-- ARGV[6] hour_prefix key prefix
-- ARGV[7] hour_ttl s that an hour is remembered
-- ARGV[8] counts what all add to the counters: name, number, name, number … by spaces
-- ARGV[9...] per entry: entry, sealed prompt or empty
-- RETURN 0 when all were appended, else the replica's highest sequence

local entries, order, prompts, bytes, sequence = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local ttl, first, last = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local minute_prefix, minute_ttl = ARGV[4], ARGV[5]
local hour_prefix, hour_ttl = ARGV[6], ARGV[7]
local counts = ARGV[8]
local call = redis.call

local highest = tonumber(call('GET', sequence) or '0')
if highest >= first then
  call('PEXPIRE', sequence, ttl)
  return highest
end
local added = 0
for i = 9, #ARGV, 2 do
  local id = call('XADD', entries, '*', 'e', ARGV[i])
  local prompt = ARGV[i + 1]
  if prompt ~= '' then
    call('XADD', order, id, 'p', '')
    call('HSET', prompts, id, prompt)
    added = added + #prompt
  end
end
if added > 0 then call('INCRBY', bytes, added) end
call('SET', sequence, last, 'PX', ttl)

local now = tonumber(call('TIME')[1])
local minute = minute_prefix .. string.format('%.0f', math.floor(now / 60))
local hour = hour_prefix .. string.format('%.0f', math.floor(now / 3600))
for name, count in string.gmatch(counts, '(%S+) (%d+)') do
  call('HINCRBY', minute, name, count)
  call('HINCRBY', hour, name, count)
end
call('EXPIRE', minute, minute_ttl)
call('EXPIRE', hour, hour_ttl)
return 0
