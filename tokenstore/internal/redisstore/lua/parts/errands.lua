-- Errands: what is to be asked of the upstream beside requests, by when that is due. One that
-- a gateway has in hand is due when it would go to the next caller.
-- DYNKEY zset c1:{pool:NAME}:refreshes ids of tokens that are renewed by when that is due, in ms;
--   0: at once
-- DYNKEY zset c1:{pool:NAME}:questions token id by when its account is to be asked for, in ms
-- DYNKEY hash c1:{pool:NAME}:clock `questions` how far questions is built
-- DYNKEY hash c1:{pool:NAME}:token:<id>
-- Needs pool.

-- How long before its end, in ms, an access token is had anew; one that lives for less than
-- twice as long, after half its life.
local REFRESH_LEAD = 300000

-- How long, in ms, an access token lives that does not say.
local UNTOLD = 3600000

local function refresh_at(from, ends) return math.floor(ends - math.min(REFRESH_LEAD, math.max(ends - from, 0) / 2)) end

-- Plans the errands of a token that has come, or has come back.
local function plan_errands(id)
  local f = redis.call('HMGET', pool .. 'token:' .. id, 'renewable', 'needs_login', 'refresh_at')
  if f[1] == '1' and f[2] ~= '1' then redis.call('ZADD', pool .. 'refreshes', f[3] or '0', id) end
  if redis.call('HEXISTS', pool .. 'clock', 'questions') == 1 then redis.call('ZADD', pool .. 'questions', 'NX', 0, id) end
end

-- Has a refresh tried again that was refused: somebody has brought the token back.
local function try_again(id)
  if redis.call('HDEL', pool .. 'token:' .. id, 'needs_login') == 1 then redis.call('ZADD', pool .. 'refreshes', 0, id) end
end

local function forget_errands(id)
  redis.call('ZREM', pool .. 'refreshes', id)
  redis.call('ZREM', pool .. 'questions', id)
end
