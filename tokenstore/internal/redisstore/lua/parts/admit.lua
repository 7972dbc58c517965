-- Whether a token may be used now: it is enabled, is not parked, will not expire within the
-- time that a stream takes, is not cooling (as a whole or for the model), is not among the
-- excluded, and has room under its cap and in its phase. One that has cooled is probed: one
-- request at a time, then two, and so on; for a model, one until that has succeeded. One
-- that is new has one request until that succeeds, or goes on for long.
-- DYNKEY hash c1:{pool:NAME}:token:<id>
-- DYNKEY zset c1:{pool:NAME}:inflight:<id>
-- Needs pool, time, numbers, demand.

-- How long after its end, in ms, the mark of a model is still known: until then a probe
-- finds out first.
local MARK_KEPT = 3600000

-- The bound of what has not expired.
local ahead_of_now = '(' .. now

-- Whether slots of tokens with a cap may be lent ahead; else none is taken of them before it is
-- needed.
local lends = demand.mode == 'ahead' and demand.affinity_key == '' and not names_one
-- Whether nothing of tokens with a cap is wanted.
local uncapped = demand.uncapped or demand.mode == 'ahead' and not lends

local excluded = {}
for _, id in ipairs(demand.exclude) do excluded[id] = true end

-- The open leases of the token's epoch: how many, and when, in ms, the first was taken.
local function under_way(id, epoch)
  local n, first = 0, nil
  for _, lease in ipairs(redis.call('ZRANGEBYSCORE', pool .. 'inflight:' .. id, ahead_of_now, '+inf')) do
    local of, s, us = string.match(lease, '^(%d+)%-(%d+)(%d%d%d%d%d%d)%-')
    if of == epoch then
      local taken = tonumber(s) * 1000 + math.floor(tonumber(us) / 1000)
      n, first = n + 1, math.min(first or taken, taken)
    end
  end
  return n, first
end

local function in_flight(id) return redis.call('ZCOUNT', pool .. 'inflight:' .. id, ahead_of_now, '+inf') end

-- How many leases more the phase of the token lets out, nil: any number. For none: what
-- that is called, and until when (ms, 0: unknown).
local function allowance(id, phase, epoch)
  local n, first = under_way(id, epoch)
  if phase ~= 'new' then
    local room = number(phase) - n
    if room > 0 then return room end
    return 0, 'probing', 0
  end
  if n == 0 then return 1 end
  if first + demand.patience_ms <= now_ms then return nil end
  return 0, 'quarantined', first + demand.patience_ms
end

-- What there is about the model in the token: whether it is to be probed, what excludes
-- the token, and until when. A time that no mark can have is one of a clock that was ahead.
local function of_model(text)
  local till, lease = string.match(text, '^(%d+) ?%d* ?(.*)$')
  till = number(till)
  if till + MARK_KEPT <= now_ms then return nil end
  if till <= now_ms or till > now_ms + demand.longest_ms then return text end
  if lease ~= '' then return text, 'probing_model', till end
  return text, 'cooling_model', till
end

-- When a token is of use for the last time, as far as is known, in ms: it ends, unless it is
-- renewed, or its quota begins anew; 0: never.
local function first_end(renewed, expires, resets)
  local ends, begins = renewed and 0 or number(expires), number(resets)
  if ends > 0 and begins > 0 then return math.min(ends, begins) end
  return math.max(ends, begins)
end

-- What excludes the token, until when (ms, 0: unknown), its facts where nothing does, and
-- its phase. One that is excluded only because it has a cap, and nothing with a cap is
-- wanted, has facts, too: it is held back.
local function examine(id)
  local f = redis.call('HMGET', pool .. 'token:' .. id, 'upstream', 'enabled', 'expires', 'cooling',
    'm:' .. demand.model, 'cap', 'weight', 'epoch', 'ver', 'phase', 'grants', 'renewable', 'resets')
  local phase = f[10]
  if f[1] ~= demand.upstream then return 'absent', 0 end
  if f[2] ~= '1' then return 'disabled', 0 end
  if phase == 'parked' then return 'parked', 0 end
  if f[3] and f[3] ~= '0' and number(f[3]) <= now_ms + demand.lead_ms then return 'expired', 0 end
  if f[4] and number(f[4]) > now_ms then return 'cooling', math.min(number(f[4]), now_ms + demand.longest_ms) end
  local probes, why, till = nil, nil, 0
  if f[5] then
    probes, why, till = of_model(f[5])
    if why then return why, till, nil, phase end
  end
  if excluded[id] then return 'tried', 0, nil, phase end
  local cap, room, epoch = number(f[6]), nil, f[8] or '0'
  local held_back, bounds = cap > 0 and uncapped, nil
  if cap > 0 then
    room = cap - in_flight(id)
    if room <= 0 then return 'capped', 0, nil, phase end
  end
  if phase then
    local allowed
    allowed, why, till = allowance(id, phase, epoch)
    if held_back and why then return 'capped', 0, nil, phase end
    if why then return why, till, nil, phase end
    if allowed then room, bounds = math.min(room or allowed, allowed), true end
  end
  if probes then room, bounds = 1, true end
  return held_back and 'capped' or nil, 0, {
    id = id, held_back = held_back, slot = cap > 0, bounded = bounds or cap > 0, awaited = bounds, room = room, weight = math.max(number(f[7]), 1),
    epoch = epoch, ver = number(f[9]) + number(f[11]), leases = {}, probes = probes, mark = f[5], rank = 0, ends = first_end(f[12] == '1', f[3], f[13]),
  }, phase
end
