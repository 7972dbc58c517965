-- Needs time.

-- Notes that a client key has changed, at a mark that is higher than all before, and about the
-- time in µs: also after a Redis has lost its last changes, no mark is given twice. Returns it.
local function note_change(id, changes, mark, trash, channel)
  local at = tonumber(time[1]) * 1000000 + tonumber(time[2])
  at = math.max(at, tonumber(redis.call('GET', mark) or '0') + 1)
  at = string.format('%.0f', at)
  redis.call('SET', mark, at)
  redis.call('ZADD', changes, at, id)
  for _, gone in ipairs(redis.call('ZRANGEBYSCORE', trash, '-inf', now, 'LIMIT', 0, 100)) do
    redis.call('ZREM', changes, gone)
    redis.call('ZREM', trash, gone)
  end
  redis.call('PUBLISH', channel, 'key ' .. id)
  return at
end
