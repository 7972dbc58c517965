-- Renews what a replica holds in reserve of one pool, frees what it has given up, and
-- adds to it. A token is held by one replica. Of one with a cap the replica holds slots:
-- they are among its open leases until the replica gives them up or falls silent
-- for longer than ttl_ms (and up to a quarter of that), so that nobody needs to know whether it
-- uses them. One whose access token is another by now is dropped, and may be added again. Half of
-- the idle slots of a pool are left to whoever comes. Only tokens that are enabled, ready and not
-- being probed are added.
-- KEYS[1] hash holders: replica to the ms at which it was heard last, a space, its instance
-- KEYS[2] set holds: ids of the tokens that the replica holds
-- KEYS[3] zset order: token id by score
-- KEYS[4] zset cooling: token id by the time, in ms, at which it is back
-- DYNKEY hash c1:{pool:NAME}:token:<id>
-- DYNKEY zset c1:{pool:NAME}:inflight:<id>
-- DYNKEY zset c1:{pool:NAME}:held token id, of those with slots held, by until when, in ms
-- DYNKEY set c1:{pool:NAME}:holds:<replica>
-- ARGV[1] replica name
-- ARGV[2] instance name: an earlier start of the same instance has ended
-- ARGV[3] ttl_ms ms that a hold lasts; 0: the replica goes
-- ARGV[4] most tokens
-- ARGV[5] silent_ms ms of silence after which a replica does not count as running
-- ARGV[6] seed number: where to begin in a large pool
-- ARGV[7] token_prefix key prefix
-- ARGV[8] inflight_prefix key prefix
-- ARGV[9] holds_prefix key prefix
-- ARGV[10] channel where freed capacity is told
-- ARGV[11] busy 1: nothing is added
-- ARGV[12...] per hold of the replica: token id, slots (0: no cap)
-- USE pool
-- RETURN {number dropped, their ids …, then per token added: id, slots, epoch, ver}

local holders, holds, order, cooling = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local replica, instance, ttl, most = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local silent, seed = tonumber(ARGV[5]), tonumber(ARGV[6])
local token_prefix, inflight_prefix, holds_prefix = ARGV[7], ARGV[8], ARGV[9]
local channel, busy = ARGV[10], ARGV[11] == '1'
local call = redis.call

-- What no hold lasts, in ms.
local LONGEST_HOLD = 2 * 3600000
-- Tokens that are looked at in one go.
local WINDOW = 256

local time = call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local open = string.format('(%.0f', now)
-- A quarter longer than was asked for: so a hold is written anew only now and then.
local until_ms = string.format('%.0f', now + ttl * 1.25)

local function number(value) return tonumber(value or '0') or 0 end

local function read(id)
  local f = call('HMGET', token_prefix .. id, 'upstream', 'enabled', 'expires', 'cooling', 'phase', 'cap',
    'epoch', 'ver', 'holder', 'held', 'held_until', 'due',
    'access_ends', 'grants', 'held_grants')
  if not f[1] then return nil end
  local t = {
    id = id, upstream = f[1], cap = number(f[6]), epoch = f[7] or '0', ver = number(f[8]) + number(f[14]),
    holder = f[9], held = number(f[10]), held_until = number(f[11]), due = f[12],
    grants = f[14] or '0', held_grants = f[15] or '0',
  }
  -- A time that no hold has is of a clock that was ahead: it is written anew.
  if t.held_until > now + LONGEST_HOLD then t.held_until = now + 1 end
  t.usable = f[2] == '1' and (number(f[3]) == 0 or number(f[13] or f[3]) > now + ttl) and number(f[4]) <= now and not f[5]
  return t
end

-- Slots that no lease and no hold has.
local function idle(t)
  return math.max(t.cap - call('ZCOUNT', inflight_prefix .. t.id, open, '+inf'), 0)
end

-- More is out than the cap, which has been another one.
local function over(t)
  return t.cap > 0 and call('ZCOUNT', inflight_prefix .. t.id, open, '+inf') > t.cap
end

-- The upstream, once there is room that others may have.
local freed = nil
local function release(id, holder)
  local t = read(id)
  if not t or t.holder ~= holder then return end
  for n = 1, t.held do call('ZREM', inflight_prefix .. id, 'hold-' .. n) end
  call('HDEL', token_prefix .. id, 'holder', 'held', 'held_until', 'held_grants')
  if t.held == 0 then return end
  call('ZREM', pool .. 'held', id)
  stir(id)
  freed = t.upstream
  if t.due then -- it was set aside for want of room
    call('HDEL', token_prefix .. id, 'due')
    call('ZREM', cooling, id)
    enter(id, t.due)
  end
end

local function hold(t, slots)
  if t.holder == replica and t.held == slots and t.grants == t.held_grants and t.held_until >= now + ttl then return end
  for n = 1, slots do call('ZADD', inflight_prefix .. t.id, until_ms, 'hold-' .. n) end
  for n = slots + 1, t.held do call('ZREM', inflight_prefix .. t.id, 'hold-' .. n) end
  if slots < t.held then freed = t.upstream end
  if slots ~= t.held then stir(t.id) end
  if slots > 0 then call('ZADD', pool .. 'held', until_ms, t.id) end
  call('HSET', token_prefix .. t.id, 'holder', replica, 'held', slots, 'held_until', until_ms, 'held_grants', t.grants)
end

local function leave(name)
  for _, id in ipairs(call('SMEMBERS', holds_prefix .. name)) do release(id, name) end
  call('DEL', holds_prefix .. name)
  call('HDEL', holders, name)
end

local function tell()
  if freed then call('PUBLISH', channel, 'freed ' .. freed) end
end

if ttl == 0 then
  leave(replica)
  tell()
  return { 0 }
end

-- Who is there, and whose earlier start this is.
local live = 1
local all = call('HGETALL', holders)
for i = 1, #all, 2 do
  local heard, of = string.match(all[i + 1], '^(%d+) (.*)$')
  if all[i] ~= replica then
    local quiet = now - number(heard)
    if quiet < 0 then -- a clock was ahead: it is heard now
      quiet = 0
      call('HSET', holders, all[i], string.format('%.0f', now) .. ' ' .. of)
    end
    if quiet <= silent then
      live = live + 1
    elseif of == instance or quiet > 86400000 then
      leave(all[i])
    end
  end
end
call('ZREMRANGEBYSCORE', pool .. 'held', '-inf', now)
call('HSET', holders, replica, string.format('%.0f', now) .. ' ' .. instance)

-- What the replica goes on to hold, and what it is to give up.
local listed, dropped, tokens, slots = {}, {}, 0, 0
local expected = call('ZCARD', order) / live
for i = 12, #ARGV, 2 do
  local id, n = ARGV[i], tonumber(ARGV[i + 1])
  listed[id] = true
  local t = read(id)
  local mine = t and t.holder == replica and t.held_until > now
  if mine and t.usable and t.grants == t.held_grants and tokens < math.ceil(expected) + 1
    and (t.cap > 0) == (n > 0) and n <= t.held and not over(t) then
    hold(t, n)
    tokens, slots = tokens + 1, slots + n
  else
    dropped[#dropped + 1] = id
  end
end
for _, id in ipairs(call('SMEMBERS', holds)) do
  if not listed[id] then
    release(id, replica)
    call('SREM', holds, id)
  end
end

local answer = { #dropped }
for _, id in ipairs(dropped) do answer[#answer + 1] = id end

local function add(t, n)
  hold(t, n)
  call('SADD', holds, t.id)
  for _, value in ipairs({ t.id, n, t.epoch, t.ver }) do answer[#answer + 1] = value end
end

-- Adds tokens that nobody holds.
local function extend()
  local size = call('ZCARD', order)
  local share = math.min(most, math.ceil(size / live))
  if tokens >= share then return end
  local first = size > WINDOW and seed % (size - WINDOW) or 0
  local free, idle_slots = {}, slots
  for _, id in ipairs(call('ZRANGE', order, first, first + WINDOW - 1)) do
    local t = read(id)
    if t and t.usable then
      local taken = t.holder and t.held_until > now
      if t.cap > 0 then
        t.idle = idle(t)
        idle_slots = idle_slots + t.idle + (taken and t.holder ~= replica and t.held or 0)
      end
      if not taken then free[#free + 1] = t end
    end
  end
  local budget = math.ceil(idle_slots / (2 * live))
  for _, t in ipairs(free) do
    if tokens >= share then return end
    local n = t.cap > 0 and math.min(math.ceil(t.idle / 2), budget - slots) or 0
    if t.cap == 0 or n > 0 then
      t.held = 0
      add(t, n)
      tokens, slots = tokens + 1, slots + n
    end
  end
end

if not busy then extend() end
tell()
return answer
