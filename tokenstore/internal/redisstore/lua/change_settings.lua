-- Sets settings and pages, or takes them back to their defaults: all or none.
-- KEYS[1] hash settings: `s:<name>` to value, `c:<name>` to who changed it, `p:<name>` to its value
--   before, ver, updated
-- KEYS[2] hash pages: path to kind and content
-- ARGV[1] expected version; 0: any
-- ARGV[2] channel where the change is told
-- ARGV[3] actor who changes them
-- ARGV[4...] per change: setting or page, name or path, set or reset, value
-- RETURN {'changed'}
-- RETURN {'conflict', version}: they have another version

local settings, pages, expected, channel, actor = KEYS[1], KEYS[2], ARGV[1], ARGV[2], ARGV[3]

-- What was never changed is version 1.
local version = redis.call('HGET', settings, 'ver') or '1'
if expected ~= '0' and expected ~= version then return { 'conflict', version } end

local time = redis.call('TIME')
local now = string.format('%.0f', tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000))
for i = 4, #ARGV, 4 do
  local key, field = settings, 's:' .. ARGV[i + 1]
  if ARGV[i] == 'page' then
    key, field = pages, ARGV[i + 1]
  else
    local before = redis.call('HGET', key, field)
    redis.call('HSET', key, 'p:' .. ARGV[i + 1], now .. (before and ' ' .. before or ''))
  end
  if ARGV[i + 2] == 'set' then
    redis.call('HSET', key, field, ARGV[i + 3])
  else
    redis.call('HDEL', key, field)
  end
  redis.call('HSET', settings, 'c:' .. ARGV[i + 1], now .. ' ' .. actor)
end
redis.call('HSET', settings, 'ver', string.format('%.0f', tonumber(version) + 1), 'updated', now)
redis.call('PUBLISH', channel, 'changed')
return { 'changed' }
