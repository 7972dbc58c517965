-- Lets a token that is enabled take part again as it was: from the rotation's clock on, or from
-- the end of its cooling. One that is parked stays so.
-- DYNKEY hash c1:{pool:NAME}:token:<id>
-- DYNKEY zset c1:{pool:NAME}:cooling token id by the time, in ms, at which it is back
-- DYNKEY hash c1:{pool:NAME}:clock `at` virtual time
-- Needs pool.
local function rejoin(id, now)
  local f = redis.call('HMGET', pool .. 'token:' .. id, 'cooling', 'phase')
  local till = tonumber(f[1] or '0') or 0
  if f[2] == 'parked' then return end
  if till > now then
    redis.call('ZADD', pool .. 'cooling', f[1], id)
  else
    enter(id, redis.call('HGET', pool .. 'clock', 'at') or '0')
  end
end
