-- The guard: when a failure has happened to several tokens, in several requests, and to
-- hardly any token else not, within a time, no token is to blame. They share a cause,
-- which from then on has a breaker of its own, in acquire.
-- DYNKEY hash c1:{pool:NAME}:clock `guard` the ms until which there is something to look at
-- DYNKEY hash c1:{pool:NAME}:window what was seen of the upstream since the first failure
-- DYNKEY hash c1:{pool:NAME}:causes that tokens share: `<class> <model>` to state
-- DYNKEY list c1:{pool:NAME}:wronged tokens whose transitions are to be undone
-- Needs pool, time.

-- So many tokens fail alike, and at most a third as many do not.
local TOKENS, ALIKE = 3, 3
-- Bounds of the pause before a cause is probed again, in ms.
local FIRST, LONGEST = 250, 5000
-- Tokens in one entry of the wronged ones; ms for which they are remembered.
local ENTRY, REMEMBERED = 64, 86400000

-- Causes of a pool at most: models are named by callers.
local CAUSES = 64

-- Forgets causes of which nothing was heard for long, and the oldest of too many.
local function make_room(cause_ms)
  local f, n, oldest, since = redis.call('HGETALL', pool .. 'causes'), 0, nil, nil
  for i = 1, #f, 2 do
    local heard = tonumber(string.match(f[i + 1], '^calm (%d+)$') or string.match(f[i + 1], '^%d+ (%d+)') or '0')
    if heard + cause_ms <= now_ms then
      redis.call('HDEL', pool .. 'causes', f[i])
    else
      n = n + 1
      if not since or heard < since then oldest, since = f[i], heard end
    end
  end
  if n >= CAUSES then redis.call('HDEL', pool .. 'causes', oldest) end
end

-- Acquires and settlements look at the guard until then.
local function guard_until(till)
  if tonumber(redis.call('HGET', pool .. 'clock', 'guard') or '0') < till then
    redis.call('HSET', pool .. 'clock', 'guard', string.format('%.0f', till))
  end
end

-- When a lease was taken, in ms; 0 where its id does not say.
local function taken_at(lease)
  local s, us = string.match(lease, '^%d+%-(%d+)(%d%d%d%d%d%d)%-')
  return s and tonumber(s) * 1000 + math.floor(tonumber(us) / 1000) or 0
end

-- Whether tokens are known to fail alike with the class and the model.
local function is_shared(class, model)
  local state = redis.call('HGET', pool .. 'causes', class .. ' ' .. model)
  return state and string.sub(state, 1, 4) ~= 'calm' and state
end

-- A probe of a cause that fails too opens the breaker again, for longer; once for all
-- that were let out together.
local function reopen(about, state, lease, cause_ms)
  local since, began, failures, allow = string.match(state, '^(%d+) (%d+) %d+ (%d+) (%d+)')
  if tonumber(allow) == 0 or taken_at(lease) < tonumber(began) then return end
  local pause = math.min(FIRST * 2 ^ tonumber(failures), LONGEST)
  redis.call('HSET', pool .. 'causes', about, string.format('%s %s %.0f %d 0 0', since, now, now_ms + pause, tonumber(failures) + 1))
  redis.call('PEXPIRE', pool .. 'causes', cause_ms)
  guard_until(now_ms + cause_ms)
end

-- A cause is known since now: the tokens that have failed for it since the window began
-- were blamed wrongly.
local function trip(class, model, request, cause_ms)
  local about, news = class .. ' ' .. model, true
  make_room(cause_ms)
  for _, each in ipairs(redis.call('HKEYS', pool .. 'causes')) do
    if string.match(each, '^(%S+)') == class then news = false end
  end
  redis.call('HSET', pool .. 'causes', about, string.format('%s %s %s 0 0 0', now, now, now))
  redis.call('PEXPIRE', pool .. 'causes', cause_ms)
  guard_until(now_ms + cause_ms)
  local from, prefix, ids = redis.call('HGET', pool .. 'window', 'from'), 'token ' .. about .. ' ', {}
  for _, field in ipairs(redis.call('HKEYS', pool .. 'window')) do
    if string.sub(field, 1, #prefix) == prefix then ids[#ids + 1] = string.sub(field, #prefix + 1) end
  end
  for first = 1, #ids, ENTRY do
    redis.call('RPUSH', pool .. 'wronged', cjson.encode({
      class = class, model = model, from = from, news = news and first == 1, request = request, all = #ids,
      tokens = { unpack(ids, first, math.min(first + ENTRY - 1, #ids)) },
    }))
  end
  redis.call('PEXPIRE', pool .. 'wronged', REMEMBERED)
  redis.call('DEL', pool .. 'window') -- what comes after is another story
end

-- Takes down a failure that other tokens may have alike. Returns whether they do.
local function witness(id, lease, class, model, request, window_ms, cause_ms)
  local about, window = class .. ' ' .. model, pool .. 'window'
  local state = redis.call('HGET', pool .. 'causes', about)
  local calm = state and tonumber(string.match(state, '^calm (%d+)$') or '0') or 0
  if state and calm == 0 then
    reopen(about, state, lease, cause_ms)
    return true
  end
  -- One from a time to come is of a clock that was ahead, and would last until then.
  local from = tonumber(redis.call('HGET', window, 'from') or '0')
  if from > now_ms then redis.call('DEL', window) end
  if from == 0 or from > now_ms then
    redis.call('HSET', window, 'from', now)
    redis.call('PEXPIRE', window, window_ms)
    guard_until(now_ms + window_ms)
  end
  local failed = tonumber(redis.call('HGET', window, 'failed ' .. about) or '0')
  if redis.call('HSETNX', window, 'token ' .. about .. ' ' .. id, '1') == 1 then
    failed = redis.call('HINCRBY', window, 'failed ' .. about, 1)
  end
  -- What a token was last is what counts: one that serves no more is not among those that do.
  redis.call('HSET', window, 'fell ' .. id, now)
  if redis.call('HDEL', window, 'well ' .. model .. ' ' .. id) == 1 then redis.call('HINCRBY', window, 'well ' .. model, -1) end
  redis.call('HSETNX', window, 'request ' .. about, request)
  local other = request == '' or redis.call('HGET', window, 'request ' .. about) ~= request
  local well = tonumber(redis.call('HGET', window, 'well ' .. model) or '0')
  if failed < TOKENS or failed < well * ALIKE or not other or calm > now_ms and calm < now_ms + cause_ms then return false end
  trip(class, model, request, cause_ms)
  return true
end

-- Takes down that a token has served the model in a request that ended at a time, in ms. One that
-- ended before the first failure says nothing against a cause, nor does one that was under way
-- when its token failed, or before a cause was seen. Returns whether a cause is over.
local function serves(id, lease, model, ended, calm_ms)
  local window, taken, over = pool .. 'window', taken_at(lease), false
  local seen = redis.call('HMGET', window, 'from', 'fell ' .. id)
  local counts = seen[1] and ended >= tonumber(seen[1]) and taken >= tonumber(seen[2] or '0')
  if counts and redis.call('HSETNX', window, 'well ' .. model .. ' ' .. id, '1') == 1 then
    redis.call('HINCRBY', window, 'well ' .. model, 1)
  end
  local f = redis.call('HGETALL', pool .. 'causes')
  for i = 1, #f, 2 do
    local since = string.match(f[i + 1], '^(%d+) ')
    if string.match(f[i], '^%S+ (.*)$') == model and since and taken > 0 and taken >= tonumber(since) then
      redis.call('HSET', pool .. 'causes', f[i], string.format('calm %.0f', now_ms + calm_ms))
      over = true
    end
  end
  return over
end
