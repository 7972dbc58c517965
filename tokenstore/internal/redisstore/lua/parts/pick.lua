-- Picks tokens in a strategy's order. Of those that may be used the first is picked: by
-- round robin the one with the lowest score, the virtual time at which it is due; each pick
-- puts it 1/weight later. A demand that names a token by its alias looks at no other one.
-- DYNKEY hash c1:{pool:NAME}:names alias to token id
-- DYNKEY hash c1:{pool:NAME}:clock `at` virtual time
-- DYNKEY zset c1:{pool:NAME}:cooling token id by the time, in ms, at which it is back
-- Needs pool, time, numbers, demand, admit, orders.

-- How far a token may lag behind the clock and still catch up: enough for leases that came
-- back unused, too little for a burst. As far ahead of the clock may demands by name put a
-- token.
local SLACK = 16
-- How far above the average of their requests a key's token may be, beyond the few that are
-- no load.
local BALANCE, FEW = 1.25, 4
-- Tokens of the order that one acquire looks at, and tokens that it brings back there.
local LOOK, WAKE = 250, 250
-- Tokens with a time that can't be, and leases that have expired, that are put right in one
-- go; and what no lease lasts, in ms.
local REPAIR, LONGEST_LEASE = 32, 7200000

local at = 0
-- The id of the token that is asked for by name, '' when there is none; nil: any.
local named = nil
if demand.alias ~= '' then named = redis.call('HGET', pool .. 'names', demand.alias) or '' end

-- Tokens that are back from cooling or may have room again, with the score that each comes
-- back with: so many that others hardly wait.
local function woken()
  local back = {}
  for i, id in ipairs(redis.call('ZRANGEBYSCORE', pool .. 'cooling', '-inf', now, 'LIMIT', 0, WAKE)) do
    back[i] = { id = id, score = tonumber(redis.call('HGET', pool .. 'token:' .. id, 'due') or at) }
  end
  return back
end

-- Puts right what a clock that was ahead has left: no token rests for longer than it was
-- to, from now on.
local function shorten_rests()
  local too_late = redis.call('ZRANGEBYSCORE', pool .. 'cooling', '(' .. whole(now_ms + demand.longest_ms), '+inf', 'LIMIT', 0, REPAIR)
  for _, id in ipairs(too_late) do
    local f = redis.call('HMGET', pool .. 'token:' .. id, 'due', 'rest')
    local till = whole(now_ms + math.min(f[2] and number(f[2]) or demand.longest_ms, demand.longest_ms))
    redis.call('ZADD', pool .. 'cooling', till, id)
    if not f[1] then
      redis.call('HSET', pool .. 'token:' .. id, 'cooling', till)
      redis.call('ZADD', pool .. 'rests', till, id)
    end
  end
end

-- Takes notice of leases that have expired, and puts those right that a clock that was
-- ahead has left.
local function sweep_leases()
  for _, lease in ipairs(redis.call('ZRANGEBYSCORE', pool .. 'leases', '-inf', now, 'LIMIT', 0, REPAIR)) do
    redis.call('ZREM', pool .. 'leases', lease)
    stir(string.match(lease, '^%S+'))
  end
  local too_late = redis.call('ZRANGEBYSCORE', pool .. 'leases', '(' .. whole(now_ms + LONGEST_LEASE), '+inf', 'LIMIT', 0, REPAIR)
  for _, lease in ipairs(too_late) do
    local id, name = string.match(lease, '^(%S+) (.*)$')
    redis.call('ZADD', pool .. 'leases', whole(now_ms + demand.ttl_ms), lease)
    redis.call('ZADD', pool .. 'inflight:' .. id, 'XX', whole(now_ms + demand.ttl_ms), name)
  end
end

-- The named token, as an order would give it.
local function only(id)
  return function()
    if id == '' then return nil end
    local entry = { id = id, rank = 0, score = tonumber(redis.call('ZSCORE', pool .. 'order', id) or at) }
    id = ''
    return entry
  end
end

-- The score of a token after one more pick. Picks by name count in the token's share, up to
-- a bound: those that want any token don't wait for all of them.
local function later(facts)
  local score = facts.score + 1 / facts.weight
  if named then return math.min(score, math.max(facts.score, at + SLACK)) end
  return score
end

-- Whether a pick depends on the requests under way: their leases are to come back at once.
local counted = strategy == 'least_in_flight' or strategy == 'sticky'

-- Picks up to count leases; a token may be picked more than once. extra are tokens that are
-- to be looked at beside the order, and not where they stand in it. Returns what came of
-- it: picks, those picked, those that are not to be in the order at all or not in the
-- strategy's, those without room, and what excludes those that were met.
local function pick(count, extra)
  local ready = {} -- eligible ones met so far: the last is due first
  local found = { picks = {}, picked = {}, gone = {}, stale = {}, full = {}, why = {}, phases = {} }
  local stamp = '-' .. time[1] .. string.format('%06d', time[2]) .. '-'

  local function insert(facts)
    local low, high = 1, #ready + 1
    while low < high do
      local middle = math.floor((low + high) / 2)
      if before(facts, ready[middle]) then low = middle + 1 else high = middle end
    end
    table.insert(ready, low, facts)
  end

  local function rank(facts)
    if counted and not facts.n then facts.n = in_flight(facts.id) end
    facts.rank = chosen.rank(facts)
  end

  local function meet(id, score)
    local why, till, facts, phase = examine(id)
    if not why then
      facts.score = score
      rank(facts)
      insert(facts)
      return
    end
    found.why[id], found.phases[id] = { why, till }, phase
    if why == 'absent' or why == 'disabled' or why == 'parked' or why == 'expired' then
      found.gone[#found.gone + 1] = id
    elseif why == 'capped' or why == 'probing' or why == 'quarantined' then
      found.full[#found.full + 1] = { id = id, due = score, till = till }
    end
  end

  local beside = {}
  for _, each in ipairs(extra) do
    beside[each.id] = true
    meet(each.id, each.score)
  end
  local next_entry, head, looked = named and only(named) or entries(math.min(count + 1, PAGE)), nil, 0
  -- The next of the order, that was not looked at beside it.
  local function peek()
    while not head do
      head = next_entry()
      if not head then return nil end
      if beside[head.id] then head = nil end
    end
    return head
  end

  local function meet_next()
    local entry = peek()
    head, looked = nil, looked + 1
    if strategy == 'round_robin' then return meet(entry.id, entry.score) end
    local score = redis.call('ZSCORE', pool .. 'order', entry.id)
    if not score then
      found.stale[#found.stale + 1] = entry.id
    else
      meet(entry.id, tonumber(score))
    end
  end

  local base = strategy == 'sticky' and 1 + redis.call('ZCOUNT', pool .. 'leases', ahead_of_now, '+inf') or 0
  local size = strategy == 'sticky' and math.max(redis.call('ZCARD', pool .. 'order'), 1) or 1
  -- The place of the one to be picked of those that are ready; nil: the order comes first.
  local function place()
    local best = ready[#ready]
    if not best then return nil end
    if strategy ~= 'sticky' then
      local next = peek()
      return not (next and before(next, best)) and #ready or nil
    end
    local most = math.max(math.ceil((base + #found.picks) * BALANCE / size), FEW)
    for i = #ready, 1, -1 do
      local next = peek()
      if next and before(next, ready[i]) then return nil end
      if ready[i].n < most then return i end
    end
    return not peek() and #ready or nil
  end

  local function take(best)
    best.score = math.max(best.score, at - SLACK)
    -- The clock follows those that are due, not those that are named.
    if not named then at = math.max(at, best.score) end
    best.score = later(best)
    if #best.leases == 0 then found.picked[#found.picked + 1] = best end
    local lease = best.epoch .. stamp .. #found.picks .. (best.probes and '-p' or '')
    best.leases[#best.leases + 1] = lease
    found.picks[#found.picks + 1] = { best, lease }
    if best.room then best.room = best.room - 1 end
    if best.n then best.n = best.n + 1 end
    rank(best)
    if best.room ~= 0 then insert(best) end
  end

  while #found.picks < count do
    local i = place()
    if i then
      take(table.remove(ready, i))
    elseif peek() and looked < LOOK then
      meet_next()
    elseif #ready > 0 then
      take(table.remove(ready))
    else
      break
    end
  end
  found.looked, found.over = looked, not peek()
  return found
end
