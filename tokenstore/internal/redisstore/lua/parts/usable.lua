-- Whether a token could serve some model, if it has room: it is enabled, is not parked, has not
-- expired and does not cool.
-- DYNKEY hash c1:{pool:NAME}:token:<id>
-- Needs pool, time, numbers.

-- Returns whether it is usable, its cap and its phase; ended is the ms until which an expiry
-- counts.
local function examine(id, ended)
  local f = redis.call('HMGET', pool .. 'token:' .. id, 'enabled', 'phase', 'expires', 'cooling', 'cap')
  local expires = number(f[3])
  local usable = f[1] == '1' and f[2] ~= 'parked' and (expires == 0 or expires > ended) and number(f[4]) <= now_ms
  return usable, number(f[5]), f[2]
end
