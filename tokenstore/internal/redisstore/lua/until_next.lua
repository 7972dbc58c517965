-- Tells how long it takes until the first time of an order has come.
-- KEYS[1] zset order: anything by ms of a time
-- USE time
-- RETURN ms, not positive where it has come; 'none' where the order is empty

local first = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
if not first[2] then return 'none' end
return string.format('%.0f', tonumber(first[2]) - now_ms)
