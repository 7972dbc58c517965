-- What is counted of a pool: what each token is by its switch and its phase, until when it
-- cools and when it ends. Whoever changes one of these says so by stand(), which keeps the
-- token's row, too.
-- DYNKEY zset c1:{pool:NAME}:standing token id by a number of STANDING
-- DYNKEY zset c1:{pool:NAME}:rests token id by the end of its cooling, in ms
-- DYNKEY zset c1:{pool:NAME}:ends token id by its expiry, in ms, while that is ahead
-- DYNKEY zset c1:{pool:NAME}:accesses the same of tokens that are renewed: their access tokens end
-- DYNKEY zset c1:{pool:NAME}:disabled_until ids of disabled tokens by when they are enabled by
--   themselves, in ms
-- DYNKEY set c1:{pool:NAME}:unlogged ids of parked tokens that need a login
-- DYNKEY zset c1:{pool:NAME}:expired token id by its expiry, in ms, once that was taken notice of
-- DYNKEY zset c1:{pool:NAME}:cooling token id by the time, in ms, at which it is back
-- DYNKEY hash c1:{pool:NAME}:clock `at` virtual time
-- Needs pool, rows.
local STANDING = { disabled = 1, parked = 2, expired = 3, quarantined = 4, probing = 5, open = 6 }

local function standing_of(enabled, phase)
  if enabled ~= '1' then return STANDING.disabled end
  if not phase then return STANDING.open end
  if phase == 'parked' then return STANDING.parked end
  return phase == 'new' and STANDING.quarantined or STANDING.probing
end

-- Takes down what a token is now, and returns it; one that is gone is forgotten.
local function stand(id)
  put_row(id)
  local f = redis.call('HMGET', pool .. 'token:' .. id, 'enabled', 'phase', 'cooling', 'expires', 'renewable', 'needs_login', 'disabled_until')
  if not f[1] then
    for _, name in ipairs({ 'standing', 'rests', 'ends', 'accesses', 'expired', 'disabled_until' }) do redis.call('ZREM', pool .. name, id) end
    redis.call('SREM', pool .. 'unlogged', id)
    return nil
  end
  local standing = standing_of(f[1], f[2])
  redis.call('ZADD', pool .. 'standing', standing, id)
  redis.call('ZREM', pool .. 'expired', id)
  if standing == STANDING.parked and f[6] == '1' then
    redis.call('SADD', pool .. 'unlogged', id)
  else
    redis.call('SREM', pool .. 'unlogged', id)
  end
  if standing == STANDING.disabled and f[7] then
    redis.call('ZADD', pool .. 'disabled_until', f[7], id)
  else
    redis.call('ZREM', pool .. 'disabled_until', id)
  end
  local renewed, expires = f[5] == '1', f[4] or '0'
  for name, till in pairs({ rests = f[3] or '0', ends = renewed and '0' or expires, accesses = renewed and expires or '0' }) do
    if standing > STANDING.parked and (tonumber(till) or 0) > 0 then
      redis.call('ZADD', pool .. name, till, id)
    else
      redis.call('ZREM', pool .. name, id)
    end
  end
  return standing
end

-- Takes down that a token has expired.
local function expire(id)
  redis.call('ZADD', pool .. 'standing', STANDING.expired, id)
  redis.call('ZADD', pool .. 'expired', redis.call('HGET', pool .. 'token:' .. id, 'expires') or '0', id)
  for _, name in ipairs({ 'rests', 'ends', 'accesses' }) do redis.call('ZREM', pool .. name, id) end
end

-- Tokens whose expiry is taken notice of in one go.
local SWEEP = 200

-- Takes notice of those that have expired.
local function sweep(now)
  for _, name in ipairs({ 'ends', 'accesses' }) do
    for _, id in ipairs(redis.call('ZRANGEBYSCORE', pool .. name, '-inf', string.format('%.0f', now), 'LIMIT', 0, SWEEP)) do
      expire(id)
    end
  end
end

-- Brings those back that have expired by a clock which was ahead.
local function revive(now)
  local early = redis.call('ZRANGEBYSCORE', pool .. 'expired', '(' .. string.format('%.0f', now), '+inf', 'LIMIT', 0, SWEEP)
  for _, id in ipairs(early) do
    if (stand(id) or 0) > STANDING.expired and not redis.call('ZSCORE', pool .. 'order', id)
      and not redis.call('ZSCORE', pool .. 'cooling', id) then
      enter(id, redis.call('HGET', pool .. 'clock', 'at') or '0')
    end
  end
end
