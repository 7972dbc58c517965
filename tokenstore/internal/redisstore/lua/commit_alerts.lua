-- Puts a new board of alerts in place, with the deliveries that it speaks of, if who says so leads.
-- KEYS[1] hash leader: name, term, until in ms
-- KEYS[2] string board
-- KEYS[3] hash deliveries: `d:<destination>` record, `n:<destination>` how often it was taken
-- KEYS[4] zset due: destinations by the ms at which their delivery is due
-- ARGV[1] name of the leader
-- ARGV[2] term of its lead
-- ARGV[3] board record
-- ARGV[4...] deliveries a destination and its record, in turn; it has none yet
-- RETURN 1; 0 where the term is over
-- USE time

local leader, board, deliveries, due = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local name, term, record = ARGV[1], ARGV[2], ARGV[3]
local call = redis.call

local held = call('HMGET', leader, 'name', 'term', 'until')
if held[1] ~= name or held[2] ~= term or tonumber(held[3]) <= now_ms then return 0 end
call('SET', board, record)
for i = 4, #ARGV, 2 do
  call('HSET', deliveries, 'd:' .. ARGV[i], ARGV[i + 1])
  call('HDEL', deliveries, 'n:' .. ARGV[i])
  call('ZADD', due, now, ARGV[i])
end
return 1
