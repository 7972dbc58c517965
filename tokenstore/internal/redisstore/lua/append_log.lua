-- Appends a replica's log entries and counts them by minute and by hour. Those
-- that it has appended before, by their sequence, are skipped: a batch may be sent
-- again.
-- KEYS[1] stream entries
-- KEYS[2] stream prompts: ids as in entries
-- KEYS[3] string sequence: the replica's highest so far
-- DYNKEY hash c1:{log}:minute:<minutes since 1970>
-- DYNKEY hash c1:{log}:hour:<hours since 1970>
-- ARGV[1] ttl_ms ms that a replica's sequence is remembered
-- ARGV[2] minute_prefix key prefix
-- ARGV[3] minute_ttl s that a minute is remembered
-- ARGV[4] hour_prefix key prefix
-- ARGV[5] hour_ttl s that an hour is remembered
-- ARGV[6...] per entry, ascending: sequence, entry, sealed prompt or empty, counts: name, number, name, number … by spaces
-- RETURN number of entries that were new

local entries, prompts, sequence = KEYS[1], KEYS[2], KEYS[3]
local ttl = ARGV[1]
local minute_prefix, minute_ttl = ARGV[2], ARGV[3]
local hour_prefix, hour_ttl = ARGV[4], ARGV[5]
local call = redis.call

local highest = tonumber(call('GET', sequence) or '0')
local stored, counts = 0, {}
for i = 6, #ARGV, 4 do
  local number = tonumber(ARGV[i])
  if number > highest then
    local id = call('XADD', entries, '*', 'e', ARGV[i + 1])
    local prompt = ARGV[i + 2]
    if prompt ~= '' then call('XADD', prompts, id, 'p', prompt) end
    for name, count in string.gmatch(ARGV[i + 3], '(%S+) (%d+)') do
      counts[name] = (counts[name] or 0) + tonumber(count)
    end
    highest, stored = number, stored + 1
  end
end
call('SET', sequence, string.format('%.0f', highest), 'PX', ttl)
if stored == 0 then return 0 end

local now = tonumber(call('TIME')[1])
local minute = minute_prefix .. string.format('%.0f', math.floor(now / 60))
local hour = hour_prefix .. string.format('%.0f', math.floor(now / 3600))
for name, count in pairs(counts) do
  local text = string.format('%.0f', count)
  call('HINCRBY', minute, name, text)
  call('HINCRBY', hour, name, text)
end
call('EXPIRE', minute, minute_ttl)
call('EXPIRE', hour, hour_ttl)
return stored
