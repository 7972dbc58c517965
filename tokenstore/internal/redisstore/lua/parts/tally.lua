-- The tokens that reports are about: each is read once, and written when all is known.
-- DYNKEY hash c1:{pool:NAME}:token:<id>
-- DYNKEY zset c1:{pool:NAME}:order token id by score
-- DYNKEY zset c1:{pool:NAME}:cooling token id by the time, in ms, at which it is back
-- Needs pool, tell, rows, standing, time, numbers.

-- A token that has been probed with so many requests at a time is open.
local OPEN = 8

local tokens, known = {}, {}

-- What is known of a token; one that is gone has no upstream.
local function token_of(id)
  local t = known[id]
  if not t then
    local f = redis.call('HMGET', pool .. 'token:' .. id, 'upstream', 'epoch', 'streak', 'cap', 'last_error', 'requests', 'due',
      'phase', 'cause', 'group', 'former_since', 'failures')
    t = {
      id = id, key = pool .. 'token:' .. id, upstream = f[1], epoch = f[2] or '0', streak = number(f[3]), cap = number(f[4]),
      evidence = f[5] or '', requests = number(f[6]), due = f[7], used = 0, failed = number(f[12]), failures = 0, unused = 0,
      phase = f[8] or '', cause = f[9] or '', group = f[10] or '', former_since = number(f[11]),
    }
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

-- Forgets the former refresh token once a lease has served that was taken since there is a
-- newer one.
local function note_served(t, lease)
  if t.former_since == 0 then return end
  local s, us = string.match(lease, '^%d+%-(%d+)(%d%d%d%d%d%d)%-')
  if not s or tonumber(s) * 1000 + math.floor(tonumber(us) / 1000) < t.former_since then return end
  redis.call('HDEL', t.key, 'former', 'former_since')
  t.former_since = 0
end

-- Counts a request and takes down what it says of the token. One from before the
-- token's last change of epoch says nothing of it as it is now.
local function count(t, effect, detail, current)
  if effect == 'unused' then
    if current then t.unused = t.unused + 1 end
    return
  end
  t.used = t.used + 1
  if effect == 'failure' then
    t.failures = t.failures + 1
    if current then t.new_evidence = detail end
  elseif effect == 'success' and current then
    open(t)
    if (t.new_evidence or t.evidence) ~= '' then t.new_evidence = '' end
  end
end

-- Brings a token back that was set aside for want of room.
local function bring_back(t)
  if not t.due then return end
  redis.call('HDEL', t.key, 'due')
  redis.call('ZREM', pool .. 'cooling', t.id)
  enter(t.id, t.due)
  t.due = false
end

-- Writes what has been taken down of a token so far.
local function write(t)
  if t.used > 0 then
    t.requests = t.requests + t.used
    redis.call('HSET', t.key, 'requests', whole(t.requests), 'last_used', now)
    if t.failures > 0 then t.failed = redis.call('HINCRBY', t.key, 'failures', t.failures) end
    put_counts(t.id, whole(t.requests), whole(t.failed), now)
    if t.new_evidence then redis.call('HSET', t.key, 'last_error', t.new_evidence) end
    if t.ended then
      redis.call('HSET', t.key, 'streak', 0)
      tell(t.id, 'recovered', t.cause, '')
    end
    if t.opened and t.phase == '' then redis.call('HDEL', t.key, 'phase') end
    if t.opened and t.phase ~= '' then redis.call('HSET', t.key, 'phase', t.phase) end
    if t.opened then stand(t.id) end
    t.evidence = t.new_evidence or t.evidence
  end
  if t.freed then bring_back(t) end
  if t.unused > 0 and redis.call('ZSCORE', pool .. 'order', t.id) then
    local weight = math.max(number(redis.call('HGET', t.key, 'weight')), 1)
    redis.call('ZINCRBY', pool .. 'order', exact(-t.unused / weight), t.id)
  end
  t.used, t.failures, t.unused, t.new_evidence, t.ended, t.opened = 0, 0, 0, nil, nil, nil
end
