-- Renews what a replica holds in reserve, frees what it has given up, and adds to
-- it. A token is held by one replica. Of one with a cap the replica holds slots:
-- they are among its open leases until the replica gives them up or falls silent
-- for longer than ttl_ms (and up to a quarter of that), so that nobody needs to know whether it uses them.
-- Half of the idle slots of an upstream are left to whoever comes. Only tokens
-- that are enabled, ready and not being probed are added.
-- KEYS[1] hash holders: replica to the ms at which it was heard last, a space, its instance
-- KEYS[2] set holds: ids of the tokens that the replica holds
-- KEYS[3] hash upstreams: by name
-- DYNKEY hash c1:{pool}:token:<id>
-- DYNKEY zset c1:{pool}:inflight:<id>
-- DYNKEY zset c1:{pool}:order:<upstream>
-- DYNKEY zset c1:{pool}:cooling:<upstream>
-- DYNKEY set c1:{pool}:holds:<replica>
-- ARGV[1] replica name
-- ARGV[2] instance name: an earlier start of the same instance has ended
-- ARGV[3] ttl_ms ms that a hold lasts; 0: the replica goes
-- ARGV[4] most tokens of one upstream
-- ARGV[5] silent_ms ms of silence after which a replica does not count as running
-- ARGV[6] seed number: where to begin in a large pool
-- ARGV[7] token_prefix key prefix
-- ARGV[8] inflight_prefix key prefix
-- ARGV[9] order_prefix key prefix
-- ARGV[10] cooling_prefix key prefix
-- ARGV[11] holds_prefix key prefix
-- ARGV[12] channel where freed capacity is told
-- ARGV[13] busy number of upstreams to add nothing of
-- ARGV[14...] those upstreams, then per hold of the replica: token id, slots (0: no cap)
-- RETURN {number dropped, their ids …, then per token added: id, upstream, slots, epoch, ver}

local holders, holds, upstreams = KEYS[1], KEYS[2], KEYS[3]
local replica, instance, ttl, most = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local silent, seed = tonumber(ARGV[5]), tonumber(ARGV[6])
local token_prefix, inflight_prefix, order_prefix = ARGV[7], ARGV[8], ARGV[9]
local cooling_prefix, holds_prefix, channel, n_busy = ARGV[10], ARGV[11], ARGV[12], tonumber(ARGV[13])
local call = redis.call

-- Tokens of an upstream that are looked at in one go.
local WINDOW = 256

local time = call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local open = string.format('(%.0f', now)
-- A quarter longer than was asked for: so a hold is written anew only now and then.
local until_ms = string.format('%.0f', now + ttl * 1.25)

local function number(value) return tonumber(value or '0') or 0 end

local function read(id)
  local f = call('HMGET', token_prefix .. id, 'upstream', 'enabled', 'expires', 'cooling', 'phase', 'cap',
    'epoch', 'ver', 'holder', 'held', 'held_until', 'due')
  if not f[1] then return nil end
  local t = {
    id = id, upstream = f[1], cap = number(f[6]), epoch = f[7] or '0', ver = f[8] or '0',
    holder = f[9], held = number(f[10]), held_until = number(f[11]), due = f[12],
  }
  t.usable = f[2] == '1' and (number(f[3]) == 0 or number(f[3]) > now + ttl) and number(f[4]) <= now and not f[5]
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

local freed = {}
local function release(id, holder)
  local t = read(id)
  if not t or t.holder ~= holder then return end
  for n = 1, t.held do call('ZREM', inflight_prefix .. id, 'hold-' .. n) end
  call('HDEL', token_prefix .. id, 'holder', 'held', 'held_until')
  if t.held == 0 then return end
  freed[t.upstream] = true
  if t.due then -- it was set aside for want of room
    call('HDEL', token_prefix .. id, 'due')
    call('ZREM', cooling_prefix .. t.upstream, id)
    call('ZADD', order_prefix .. t.upstream, t.due, id)
  end
end

local function hold(t, slots)
  if t.holder == replica and t.held == slots and t.held_until >= now + ttl then return end
  for n = 1, slots do call('ZADD', inflight_prefix .. t.id, until_ms, 'hold-' .. n) end
  for n = slots + 1, t.held do call('ZREM', inflight_prefix .. t.id, 'hold-' .. n) end
  if slots < t.held then freed[t.upstream] = true end
  call('HSET', token_prefix .. t.id, 'holder', replica, 'held', slots, 'held_until', until_ms)
end

local function leave(name)
  for _, id in ipairs(call('SMEMBERS', holds_prefix .. name)) do release(id, name) end
  call('DEL', holds_prefix .. name)
  call('HDEL', holders, name)
end

local function tell()
  for upstream in pairs(freed) do call('PUBLISH', channel, 'freed ' .. upstream) end
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
    if quiet <= silent then
      live = live + 1
    elseif of == instance or quiet > 86400000 then
      leave(all[i])
    end
  end
end
call('HSET', holders, replica, string.format('%.0f', now) .. ' ' .. instance)

-- What the replica goes on to hold, and what it is to give up.
local listed, dropped, tokens_of, slots_of = {}, {}, {}, {}
for i = 14 + n_busy, #ARGV, 2 do
  local id, slots = ARGV[i], tonumber(ARGV[i + 1])
  listed[id] = true
  local t = read(id)
  local mine = t and t.holder == replica and t.held_until > now
  local upstream = t and t.upstream
  local n = upstream and tokens_of[upstream] or 0
  if mine and t.usable and n < math.ceil(call('ZCARD', order_prefix .. upstream) / live) + 1
    and (t.cap > 0) == (slots > 0) and slots <= t.held and not over(t) then
    hold(t, slots)
    tokens_of[upstream] = n + 1
    slots_of[upstream] = (slots_of[upstream] or 0) + slots
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

local function add(t, slots)
  hold(t, slots)
  call('SADD', holds, t.id)
  for _, value in ipairs({ t.id, t.upstream, slots, t.epoch, t.ver }) do answer[#answer + 1] = value end
end

-- Adds tokens of an upstream that nobody holds.
local function extend(upstream)
  local order = order_prefix .. upstream
  local size = call('ZCARD', order)
  local share = math.min(most, math.ceil(size / live))
  local tokens, slots = tokens_of[upstream] or 0, slots_of[upstream] or 0
  if tokens >= share then return end
  local first = size > WINDOW and seed % (size - WINDOW) or 0
  local free, idle_slots = {}, slots
  for _, id in ipairs(call('ZRANGE', order, first, first + WINDOW - 1)) do
    local t = read(id)
    if t and t.usable and t.upstream == upstream then
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

local busy = {}
for i = 14, 13 + n_busy do busy[ARGV[i]] = true end
for _, upstream in ipairs(call('HKEYS', upstreams)) do
  if not busy[upstream] then extend(upstream) end
end
tell()
return answer
