-- Replaces all prices.
-- KEYS[1] hash prices: rec, ver, updated
-- ARGV[1] rec record
-- ARGV[2] expected version; 0: any
-- ARGV[3] channel where the change is told
-- RETURN {'put', version, updated}
-- RETURN {'conflict', version}: they have another version

local prices, rec, expected, channel = KEYS[1], ARGV[1], ARGV[2], ARGV[3]

-- What was never changed is version 1.
local version = redis.call('HGET', prices, 'ver') or '1'
if expected ~= '0' and expected ~= version then return { 'conflict', version } end

local time = redis.call('TIME')
local now = string.format('%.0f', tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000))
version = string.format('%.0f', tonumber(version) + 1)
redis.call('HSET', prices, 'rec', rec, 'ver', version, 'updated', now)
redis.call('PUBLISH', channel, 'changed')
return { 'put', version, now }
