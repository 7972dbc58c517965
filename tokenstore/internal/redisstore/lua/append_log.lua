-- Appends a replica's log entries. Those that it has appended before, by their
-- sequence, are skipped: a batch may be sent again.
-- KEYS[1] stream entries
-- KEYS[2] stream prompts
-- KEYS[3] string sequence: the replica's highest so far
-- ARGV[1] ttl_ms ms that a replica's sequence is remembered
-- ARGV[2...] per entry, ascending: sequence, entry, sealed prompt or empty
-- RETURN number of entries that were new

local entries, prompts, sequence = KEYS[1], KEYS[2], KEYS[3]
local ttl = ARGV[1]
local call = redis.call

local highest = tonumber(call('GET', sequence) or '0')
local stored = 0
for i = 2, #ARGV, 3 do
  local number = tonumber(ARGV[i])
  if number > highest then
    local id = call('XADD', entries, '*', 'e', ARGV[i + 1])
    local prompt = ARGV[i + 2]
    if prompt ~= '' then call('XADD', prompts, id, 'p', prompt) end
    highest, stored = number, stored + 1
  end
end
call('SET', sequence, string.format('%.0f', highest), 'PX', ttl)
return stored
