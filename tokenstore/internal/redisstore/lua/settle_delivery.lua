-- Ends an attempt at a delivery: it is done, or due again. One that somebody else has taken since
-- stays as it is. The attempt is noted in any case.
-- KEYS[1] hash deliveries: `d:<destination>` record, `n:<destination>` how often it was taken
-- KEYS[2] zset due: destinations by the ms at which their delivery is due
-- KEYS[3] stream log of attempts
-- ARGV[1] destination its id
-- ARGV[2] delivery its id
-- ARGV[3] attempt number, as it was taken
-- ARGV[4] again_ms ms until it is due again; empty: it is done
-- ARGV[5] entry protobuf
-- ARGV[6] keep how many entries the log has at most
-- RETURN 1; 0 where it is another's
-- USE time

local deliveries, due, log = KEYS[1], KEYS[2], KEYS[3]
local destination, delivery, attempt, again, entry, keep = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local call = redis.call

call('XADD', log, 'MAXLEN', keep, '*', 'e', entry)
local held = call('HMGET', deliveries, 'd:' .. destination, 'n:' .. destination)
if not held[1] or held[2] ~= attempt or cjson.decode(held[1]).id ~= delivery then return 0 end
if again == '' then
  call('HDEL', deliveries, 'd:' .. destination, 'n:' .. destination)
  call('ZREM', due, destination)
else
  call('ZADD', due, string.format('%.0f', now_ms + tonumber(again)), destination)
end
return 1
