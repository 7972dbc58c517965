-- Gives the caller the delivery that is due first, which is due again when nobody settles it.
-- KEYS[1] hash deliveries: `d:<destination>` record, `n:<destination>` how often it was taken
-- KEYS[2] zset due: destinations by the ms at which their delivery is due
-- ARGV[1] taken_ms ms for which it is the caller's
-- RETURN {record, attempt}
-- RETURN {}: none is due
-- USE time

local deliveries, due, taken = KEYS[1], KEYS[2], tonumber(ARGV[1])
local call = redis.call

local destination = call('ZRANGEBYSCORE', due, '-inf', now, 'LIMIT', 0, 1)[1]
if not destination then return {} end
local record = call('HGET', deliveries, 'd:' .. destination)
if not record then
  call('ZREM', due, destination)
  return {}
end
call('ZADD', due, string.format('%.0f', now_ms + taken), destination)
return { record, tostring(call('HINCRBY', deliveries, 'n:' .. destination, 1)) }
