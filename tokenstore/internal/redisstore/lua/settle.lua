-- Ends leases of one pool. A lease that has expired or was ended before changes nothing. One
-- from before its token's last change of epoch frees its place and is counted,
-- but says nothing of the token as it is now. A success ends a new token's
-- quarantine; one that is being probed it opens further, and at last ends the streak.
-- A success also speaks against a cause of failure that tokens would share.
-- KEYS[1] hash clock: `guard` the ms until which there is something to speak against
-- KEYS[2] zset order: token id by score
-- KEYS[3] zset cooling: token id by the time, in ms, at which it is back
-- KEYS[4] hash window: what was seen of the upstream since the first failure
-- KEYS[5] hash causes that tokens share: `<class> <model>` to state
-- DYNKEY hash c1:{pool:NAME}:token:<id>
-- DYNKEY zset c1:{pool:NAME}:inflight:<id>
-- ARGV[1] token_prefix key prefix
-- ARGV[2] inflight_prefix key prefix
-- ARGV[3] channel where freed capacity is told
-- ARGV[4] calm_ms ms after its end for which a cause is not seen again
-- ARGV[5...] per lease: token id, lease id, effect (unused, success, neutral, failure), last_error text, model id
-- USE pool
-- USE standing
-- RETURN per lease: live (1 or 0), upstream name, epoch, past: '' or '<streak> <streak for the model, of a probe> <cause>'

local clock, order, cooling, window, causes = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local token_prefix, inflight_prefix, channel, calm_ms = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])

local time = redis.call('TIME')
-- Text, because turning numbers into arguments is slow.
local now = string.format('%.0f', tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000))

-- A token that has been probed with so many requests at a time is open.
local OPEN = 8
-- The id of a lease that probes a model ends with this character.
local P = string.byte('p')

local function number(value) return tonumber(value or '0') or 0 end
local function exact(score) return string.format('%.17g', score) end
local function whole(count) return string.format('%.0f', count) end

-- The tokens of these leases: each is read once and written once.
local tokens, known = {}, {}
local function token_of(id)
  local t = known[id]
  if not t then
    local f = redis.call('HMGET', token_prefix .. id, 'upstream', 'epoch', 'streak', 'cap', 'last_error', 'requests', 'due',
      'phase', 'cause')
    t = {
      id = id, upstream = f[1], epoch = f[2] or '0', streak = number(f[3]), cap = number(f[4]),
      evidence = f[5] or '', requests = number(f[6]), due = f[7], used = 0, failures = 0, unused = 0,
      phase = f[8] or '', cause = f[9] or '',
    }
    -- Expired ones have ended: nothing is left for their report to end.
    redis.call('ZREMRANGEBYSCORE', inflight_prefix .. id, '-inf', now)
    known[id] = t
    tokens[#tokens + 1] = t
  end
  return t
end

-- Opens a token after a success.
local function open(t)
  local next = number(t.phase) * 2
  if tonumber(t.phase) and next <= OPEN and (t.cap == 0 or next < t.cap) then
    t.phase, t.opened = string.format('%d', next), true
    return
  end
  if t.phase ~= '' and t.phase ~= 'parked' then t.phase, t.opened = '', true end
  if t.streak > 0 then t.streak, t.ended = 0, true end
end

-- Ends a probe of a model: a success opens the token for it. Answers how often in
-- a row it has cooled for it.
local function end_probe(t, lease, effect)
  local token = token_prefix .. t.id
  local f = redis.call('HGETALL', token)
  for i = 1, #f, 2 do
    local streak, holder = string.match(f[i + 1], '^%d+ (%d+) (.+)$')
    if string.sub(f[i], 1, 2) == 'm:' and holder == lease then
      if effect == 'success' then
        redis.call('HDEL', token, f[i])
      else
        redis.call('HSET', token, f[i], now .. ' ' .. streak)
      end
      return number(streak)
    end
  end
  return 0
end

-- Counts a request and takes down what it says of the token.
local function count(t, effect, detail, current)
  t.used = t.used + 1
  if effect == 'failure' then
    t.failures = t.failures + 1
    if current then t.new_evidence = detail end
  elseif effect == 'success' and current then
    open(t)
    if (t.new_evidence or t.evidence) ~= '' then t.new_evidence = '' end
  end
end

-- Whether there is something of the upstream to speak against.
local guarded = nil
local function guard()
  if guarded == nil then guarded = number(redis.call('HGET', clock, 'guard')) > number(now) end
  return guarded
end

-- A token has served the model. A request that was under way before a cause was seen
-- says nothing of it.
local freed = {}
local function serves(t, lease, model)
  if redis.call('EXISTS', window) == 1 and redis.call('HSETNX', window, 'well ' .. model .. ' ' .. t.id, '1') == 1 then
    redis.call('HINCRBY', window, 'well ' .. model, 1)
  end
  local s, us = string.match(lease, '^%d+%-(%d+)(%d%d%d%d%d%d)%-')
  local f = redis.call('HGETALL', causes)
  for i = 1, #f, 2 do
    local since = string.match(f[i + 1], '^(%d+) ')
    if string.match(f[i], '^%S+ (.*)$') == model and since and s and tonumber(s) * 1000 + math.floor(tonumber(us) / 1000) >= tonumber(since) then
      redis.call('HSET', causes, f[i], 'calm ' .. string.format('%.0f', tonumber(now) + calm_ms))
      freed[t.upstream] = true
    end
  end
end

local answer = {}
for i = 5, #ARGV, 5 do
  local id, lease, effect, detail = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  local t = token_of(id)
  local live = redis.call('ZREM', inflight_prefix .. id, lease)
  local model_streak = 0
  redis.call('ZREM', pool .. 'leases', id .. ' ' .. lease)
  if live == 1 then t.stirred = true end
  if t.upstream and live == 1 then
    local current = string.match(lease, '^(%d+)-') == t.epoch
    if effect ~= 'unused' then
      count(t, effect, detail, current)
    elseif current then
      t.unused = t.unused + 1
    end
    local probe = string.byte(lease, -1) == P
    if probe then model_streak = end_probe(t, lease, effect) end
    if effect == 'success' and guard() then serves(t, lease, ARGV[i + 4]) end
    t.freed = t.freed or t.cap > 0 or t.opened or t.phase ~= '' or probe
  end
  answer[#answer + 1] = live
  answer[#answer + 1] = t.upstream or ''
  answer[#answer + 1] = number(t.epoch)
  local clean = t.streak == 0 and model_streak == 0
  answer[#answer + 1] = clean and '' or string.format('%d %d %s', t.streak, model_streak, t.cause)
end

for _, t in ipairs(tokens) do
  local token = token_prefix .. t.id
  if t.used > 0 then
    redis.call('HSET', token, 'requests', whole(t.requests + t.used), 'last_used', now)
    if t.failures > 0 then redis.call('HINCRBY', token, 'failures', t.failures) end
    if t.new_evidence then redis.call('HSET', token, 'last_error', t.new_evidence) end
    if t.ended then redis.call('HSET', token, 'streak', 0) end
    if t.opened and t.phase == '' then redis.call('HDEL', token, 'phase') end
    if t.opened and t.phase ~= '' then redis.call('HSET', token, 'phase', t.phase) end
    if t.opened then stand(t.id) end
  end
  if t.due and t.freed then -- it was set aside for want of room
    redis.call('HDEL', token, 'due')
    redis.call('ZREM', cooling, t.id)
    enter(t.id, t.due)
  end
  if t.unused > 0 and redis.call('ZSCORE', order, t.id) then
    local weight = math.max(number(redis.call('HGET', token, 'weight')), 1)
    redis.call('ZINCRBY', order, exact(-t.unused / weight), t.id)
  end
  if t.freed then freed[t.upstream] = true end
  if t.stirred then stir(t.id) end
end
for upstream in pairs(freed) do redis.call('PUBLISH', channel, 'freed ' .. upstream) end
return answer
