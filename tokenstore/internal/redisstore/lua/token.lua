-- Reads a token.
-- KEYS[1] hash token
-- KEYS[2] zset inflight: open leases by expiry, in ms
-- RETURN {now_ms, leases open, {field, value, …}}; no fields: there is no such token

local token, inflight = KEYS[1], KEYS[2]

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

return { now, redis.call('ZCOUNT', inflight, '(' .. now, '+inf'), redis.call('HGETALL', token) }
