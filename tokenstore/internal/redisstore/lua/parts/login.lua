-- Logins on their way.
-- DYNKEY hash c1:{pool}:login:<id>
-- DYNKEY zset c1:{pool}:polls ids of logins by when the next poll is due, in ms
-- Needs pool, time, numbers.

-- States of a login, as the contract numbers them.
local PENDING, EXPIRED = '1', '4'

local function end_login(id, state, detail)
  redis.call('HSET', pool .. 'login:' .. id, 'state', state, 'detail', detail)
  redis.call('HDEL', pool .. 'login:' .. id, 'polling', 'verifier', 'proxy')
  redis.call('ZREM', pool .. 'polls', id)
end

-- Ends those that nobody has finished in time. They are few.
local function sweep_logins()
  for _, id in ipairs(redis.call('ZRANGE', pool .. 'polls', 0, -1)) do
    local expires = redis.call('HGET', pool .. 'login:' .. id, 'expires')
    if not expires then
      redis.call('ZREM', pool .. 'polls', id)
    elseif number(expires) <= now_ms then
      end_login(id, EXPIRED, 'nobody has logged in in time')
    end
  end
end
