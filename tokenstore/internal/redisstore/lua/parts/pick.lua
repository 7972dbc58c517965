-- Picks tokens. Of those that may be used the first in the strategy's order is picked: by
-- round robin the one with the lowest score, the virtual time at which it is due; each pick
-- puts it 1/weight later. A demand with a key has its own order of the tokens, around the
-- ring; one that names a token, by its alias or its id, looks at no other one.
-- DYNKEY hash c1:{pool:NAME}:names alias to token id
-- DYNKEY hash c1:{pool:NAME}:clock `at` virtual time
-- DYNKEY zset c1:{pool:NAME}:cooling token id by the time, in ms, at which it is back
-- Needs pool, time, numbers, demand, admit, rows, standing, orders, affinity.

-- How far a token may lag behind the clock and still catch up: enough for leases that came
-- back unused, too little for a burst. As far ahead of the clock may demands by name or by
-- key put a token.
local SLACK = 16
-- Tokens of the order that one acquire looks at, and tokens that it brings back there.
local LOOK, WAKE = 250, 250
-- Tokens with a time that can't be, and leases that have expired, that are put right in one
-- go; and what no lease lasts, in ms.
local REPAIR, LONGEST_LEASE = 32, 7200000
-- Tokens that are looked at for room beyond those that are picked: where slots are lent ahead,
-- and where one is given to who asks.
local LEND_LOOK, ASK_LOOK = 64, 4

local at = 0
-- The id of the token that is asked for by name, '' when there is none; nil: any. One that is
-- asked for by its id may be absent.
local named = nil
if demand.token_id ~= '' then
  named = demand.token_id
elseif demand.alias ~= '' then
  named = redis.call('HGET', pool .. 'names', demand.alias) or ''
end

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
      put_row(id)
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

-- Whether a token is looked for by the demand's key, before the strategy is asked.
local by_key = demand.affinity_key ~= '' and not named

-- Puts a token as much later as one more pick does. Picks by name or by key count in the
-- token's share up to a bound, so that those that want any token don't wait for all of them,
-- and leave the clock alone: it follows those that are due.
local function put_later(facts, due)
  facts.score = math.max(facts.score, at - SLACK)
  local score = facts.score + 1 / facts.weight
  if due then
    at = math.max(at, facts.score)
    facts.score = score
  else
    facts.score = math.min(score, math.max(facts.score, at + SLACK))
  end
end

-- Whether what excludes a token lasts until an admin's edit.
local function is_gone(why) return why == 'absent' or why == 'disabled' or why == 'parked' or why == 'expired' end

-- Whether a pick depends on the requests under way: their leases are to come back at once.
local counted = strategy == 'least_in_flight' or by_key

-- Picks up to count leases; a token may be picked more than once. extra are tokens that are
-- to be looked at beside the order, and not where they stand in it. Returns what came of
-- it: picks, those picked, those that are not to be in the order at all or not in the
-- orders that are kept beside it, those without room, what excludes those that were met, how
-- many it has passed that stay in the order, whether that is over, how many slots of tokens
-- with a cap it has picked, and whether it has seen as many that are left: then nobody hurries.
local function pick(count, extra)
  local ready = {} -- eligible ones met so far: the last is due first
  local found = { picks = {}, picked = {}, gone = {}, stale = {}, full = {}, why = {}, phases = {}, slots = 0 }
  local idle = 0 -- slots that were free when their tokens were met
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
    if strategy == 'least_in_flight' and not facts.n then facts.n = in_flight(facts.id) end
    facts.rank = chosen.rank(facts)
  end

  local function meet(id, score)
    local why, till, facts, phase = examine(id)
    if facts and (not why or demand.mode == 'ahead') then
      facts.score = score
      rank(facts)
      insert(facts)
    end
    if not why then
      if facts.slot then idle = idle + facts.room end
      return
    end
    found.why[id], found.phases[id] = { why, till }, phase
    if is_gone(why) then
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

  local function take(best, due)
    put_later(best, due)
    if #best.leases == 0 then found.picked[#found.picked + 1] = best end
    local lease = best.epoch .. stamp .. #found.picks .. (best.probes and '-p' or '')
    best.leases[#best.leases + 1] = lease
    found.picks[#found.picks + 1] = { best, lease }
    if best.room then best.room = best.room - 1 end
    if best.slot then found.slots = found.slots + 1 end
    if best.n then best.n = best.n + 1 end
  end

  -- The first around the ring that has not reached its bound is picked; where all have, since
  -- many others can't serve, the first below that of the average of those that can. Those that
  -- have no room any more are not looked at again.
  local function pick_by_key()
    local next_id, left, near = around_ring(demand.affinity_key), LOOK, {}
    local open, well = load()
    local from = 1 -- those before it have reached their bound, until one is picked: it grows then
    local function below(leases, ids)
      for i = from, #near do
        if near[i].open < bound_of(leases, ids, near[i].weight) then return i end
      end
    end
    local function below_average()
      local leases = 1
      for _, facts in ipairs(near) do leases = leases + facts.open end
      from = 1
      return below(leases, #near)
    end
    local function meet_on_ring(id)
      local score = redis.call('ZSCORE', pool .. 'order', id)
      if not score then
        found.stale[#found.stale + 1] = id
        return
      end
      local why, _, facts = examine(id)
      if is_gone(why) then
        found.gone[#found.gone + 1] = id
        found.why[id] = { why, 0 }
      end
      if why then return end
      facts.score = tonumber(score)
      facts.open = facts.bounded and leases_of(id) or in_flight(id)
      beside[id] = true
      near[#near + 1] = facts
    end
    while #found.picks < count do
      local i = below(open + #found.picks + 1, well)
      local id = not i and left > 0 and next_id()
      if id then
        from, left = #near + 1, left - 1
        meet_on_ring(id)
      elseif #near > 0 then
        i = i or below_average()
        local best = near[i]
        take(best, false)
        best.open, from = best.open + 1, 1
        if best.room == 0 then table.remove(near, i) end
      else
        break
      end
    end
  end

  -- Whether the best of those that are ready comes before what is left of the order.
  local function is_due()
    local best = ready[#ready]
    if not best then return false end
    local next = peek()
    return not (next and before(next, best))
  end

  -- Whether so many slots were seen to be free that as many are left when these are gone.
  local function is_roomy(slots) return 2 * slots <= idle end

  -- Whether the best of those that are ready is a slot that is not to be lent: others may need it.
  local function is_kept()
    local best = ready[#ready]
    return lends and best and best.slot and not is_roomy(found.slots + 1)
  end

  local function pick_by_order()
    while #found.picks < count do
      if not is_due() and peek() and looked < LOOK then
        meet_next()
      elseif is_kept() then
        if not peek() or looked >= math.min(2 * count + LEND_LOOK, LOOK) then break end
        meet_next()
      elseif #ready > 0 and not ready[#ready].held_back then -- else it is the turn of one that is not wanted
        local best = table.remove(ready)
        take(best, not named)
        rank(best)
        if best.room ~= 0 then insert(best) end
      else
        break
      end
    end
  end

  if by_key and demand.skip == 0 then pick_by_key() end
  local dropped = #found.gone + #found.stale
  pick_by_order()
  local most = counted and 0 or math.min(looked + ASK_LOOK, LOOK)
  while found.slots > 0 and not is_roomy(found.slots) and looked < most and peek() do meet_next() end
  found.roomy = is_roomy(found.slots)
  found.passed, found.over = looked - (#found.gone + #found.stale - dropped), not peek()
  return found
end
