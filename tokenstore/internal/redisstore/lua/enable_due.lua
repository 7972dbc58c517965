-- Enables tokens that were disabled until a time which has come. They take part as they did
-- before: who cools goes on cooling, who is parked stays so.
-- KEYS[1] zset disabled_until: ids of disabled tokens by when they are enabled, in ms
-- DYNKEY hash c1:{pool:NAME}:token:<id>
-- ARGV[1] upstream name
-- ARGV[2] count tokens at most
-- ARGV[3] channel where new capacity is told
-- USE pool
-- USE tell
-- USE time
-- USE rows
-- USE standing
-- USE rejoin
-- RETURN the ids of those that were enabled

local enabled = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[2])) do
  local token = pool .. 'token:' .. id
  if redis.call('HGET', token, 'enabled') == '0' then
    redis.call('HSET', token, 'enabled', 1)
    redis.call('HINCRBY', token, 'ver', 1)
    rejoin(id, now_ms)
    tell(id, 'enabled', '', '')
    enabled[#enabled + 1] = id
  end
  redis.call('HDEL', token, 'disabled_until')
  stand(id)
end
if #enabled > 0 then redis.call('PUBLISH', ARGV[3], 'freed ' .. ARGV[1]) end
return enabled
