-- Appends a replica's log entries. Those that it has appended before, by their
-- sequence, are skipped: a batch may be sent again.
-- KEYS[1] stream entries
-- KEYS[2] string sequence: the replica's highest so far
-- ARGV[1] retention entries kept, about
-- ARGV[2] ttl_ms ms that a replica's sequence is remembered
-- ARGV[3...] per entry, ascending: sequence, entry, sealed prompt or empty
-- RETURN number of entries that were new

local entries, sequence = KEYS[1], KEYS[2]
local retention, ttl = ARGV[1], ARGV[2]
local call = redis.call

local highest = tonumber(call('GET', sequence) or '0')
local stored = 0
for i = 3, #ARGV, 3 do
  local number = tonumber(ARGV[i])
  if number > highest then
    local prompt = ARGV[i + 2]
    if prompt == '' then
      call('XADD', entries, '*', 'e', ARGV[i + 1])
    else
      call('XADD', entries, '*', 'e', ARGV[i + 1], 'p', prompt)
    end
    highest, stored = number, stored + 1
  end
end
if stored > 0 then call('XTRIM', entries, 'MAXLEN', '~', retention) end
call('SET', sequence, string.format('%.0f', highest), 'PX', ttl)
return stored
