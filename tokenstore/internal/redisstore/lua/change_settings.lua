-- Sets settings, or takes them back to their defaults: all or none.
-- KEYS[1] hash settings: `s:<name>` to value, ver, updated
-- ARGV[1] expected version; 0: any
-- ARGV[2] channel where the change is told
-- ARGV[3...] per setting: name, set or reset, value
-- RETURN {'changed'}
-- RETURN {'conflict', version}: they have another version

local settings, expected, channel = KEYS[1], ARGV[1], ARGV[2]

-- Settings that were never changed are version 1.
local version = redis.call('HGET', settings, 'ver') or '1'
if expected ~= '0' and expected ~= version then return { 'conflict', version } end

for i = 3, #ARGV, 3 do
  if ARGV[i + 1] == 'set' then
    redis.call('HSET', settings, 's:' .. ARGV[i], ARGV[i + 2])
  else
    redis.call('HDEL', settings, 's:' .. ARGV[i])
  end
end
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
redis.call('HSET', settings, 'ver', string.format('%.0f', tonumber(version) + 1), 'updated', string.format('%.0f', now))
redis.call('PUBLISH', channel, 'changed')
return { 'changed' }
