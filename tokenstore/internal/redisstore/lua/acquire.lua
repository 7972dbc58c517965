-- Picks the tokens that are next, admits them and leases them, in one step. What each of
-- that is, is a part of its own.
-- KEYS[1] zset order: token id by score
-- KEYS[2] hash clock: `at` virtual time, `guard` the ms until which causes are to be looked at,
--   `ring` how far the ring is built, `lent` the ms until which gateways may have slots that no
--   request uses
-- KEYS[3] zset cooling: token id by the time, in ms, at which it is back; these are not in order
-- ARGV[1] demand JSON of leaseDemand
-- USE pool
-- USE time
-- USE numbers
-- USE demand
-- USE admit
-- USE breaker
-- USE rows
-- USE standing
-- USE ranks
-- USE orders
-- USE affinity
-- USE pick
-- USE shortage
-- RETURN granted: {'granted', now_ms, then token id, lease id, ver, whether it is to be given back
--   at once, whether it is a slot under a cap per lease}
-- RETURN denied, of those asked for: {'denied', now_ms, total, disabled, expired, cooling, capped,
--   tried, parked, probing, quarantined, soonest_ms, soonest_tried_ms, reserved, class of the cause
--   that they share or '', how many of the expired wait for an access token, lent}
-- RETURN denied, not to be counted: {'denied', now_ms, lent}; lent: 1 where slots may come back
--   that no request uses
-- RETURN many were looked at, and there are more: {'again', how many to skip then}

local order, clock, cooling = KEYS[1], KEYS[2], KEYS[3]

-- Tokens at their cap that one acquire steps over before it sets them aside.
local STEPS = 16
-- How long, in ms, a gateway may keep a slot that no request uses, and some more.
local LENT = 2000
-- Nothing is set aside, nor looked for beyond what one acquire looks at, for demands that pass by
-- tokens with room.
local passing = demand.mode == 'ahead' or demand.uncapped

-- Sets tokens without room aside until one of their leases ends or expires, or until they
-- have room anyway.
local function set_aside(full)
  for _, each in ipairs(full) do
    local back = each.till
    if back == 0 then
      back = redis.call('ZRANGEBYSCORE', pool .. 'inflight:' .. each.id, ahead_of_now, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)[2]
    end
    redis.call('HSET', pool .. 'token:' .. each.id, 'due', exact(each.due))
    redis.call('ZREM', order, each.id)
    redis.call('ZADD', cooling, back, each.id)
  end
end

-- How many tokens of the order the next acquire may skip.
local function skipped(found, aside)
  return math.max(demand.skip + found.passed - (aside and #found.full or 0), 0)
end

-- Takes the leases of a picked token.
local function lease(facts)
  local expiry, values = whole(now_ms + (facts.slot and demand.slot_ttl_ms or demand.ttl_ms)), {}
  local token = pool .. 'token:' .. facts.id
  for _, name in ipairs(facts.leases) do
    values[#values + 1], values[#values + 2] = expiry, name
    redis.call('ZADD', pool .. 'leases', expiry, facts.id .. ' ' .. name)
  end
  redis.call('ZADD', pool .. 'inflight:' .. facts.id, unpack(values))
  if facts.probes then -- until it ends, no other request of the model has the token
    local streak = string.match(facts.probes, '^%d+ (%d+)') or '0'
    redis.call('HSET', token, 'm:' .. demand.model, expiry .. ' ' .. streak .. ' ' .. facts.leases[1])
  elseif facts.mark then -- it is of long ago
    redis.call('HDEL', token, 'm:' .. demand.model)
  end
  redis.call('ZADD', order, exact(facts.score), facts.id)
  if strategy == 'least_in_flight' then
    chosen.place(facts.id, exact(facts.score))
  elseif demand.strategy == 'least_in_flight' then
    stir(facts.id)
  end
end

-- Whether a lease is to be given back at once: others wait for what becomes of it, or for its room.
local function is_awaited(facts, roomy) return counted or facts.awaited or facts.slot and not roomy end

local virtual = redis.call('HMGET', clock, 'at', 'guard', 'ring', 'lent')
at = number(virtual[1])
local let, class, till = let_out(virtual[2])
local count = demand.count
if let then -- nothing is taken ahead while it is not known whether it can be used
  count = demand.mode == 'ahead' and 0 or math.min(count, let)
  if count == 0 then return denied({ why = {}, phases = {} }, class, till) end
end
revive(now_ms + demand.lead_ms)
shorten_rests()
sweep_leases()
local back = woken()
for _, each in ipairs(back) do
  redis.call('ZREM', cooling, each.id)
  enter(each.id, exact(each.score))
  redis.call('HDEL', pool .. 'token:' .. each.id, 'due')
end
follow()
if by_key then
  sweep(now_ms + demand.lead_ms)
  build_ring(virtual[3])
end
local found = pick(count, {})
found.lent = number(virtual[4]) > now_ms
-- Out of the order until an admin's edit puts them back.
for _, id in ipairs(found.gone) do
  redis.call('ZREM', order, id)
  if found.why[id][1] == 'expired' then expire(id) end
end
for _, id in ipairs(found.stale) do leave_ranks(id) end
local aside = #found.full > STEPS and not passing
if aside then set_aside(found.full) end
if #found.picks == 0 and not passing then
  if #back == WAKE then return { 'again', 0 } end -- more may be back
  if not found.over then return { 'again', skipped(found, aside) } end
end
if #found.picks == 0 then return denied(found) end

for _, facts in ipairs(found.picked) do lease(facts) end
took_out(#found.picks)
local answer, state, marked = { 'granted', now_ms }, { 'at', exact(at) }, {}
for _, each in ipairs(found.picks) do
  local awaited = is_awaited(each[1], found.roomy)
  if each[1].slot and (demand.mode == 'ahead' or not awaited) then
    state[3], state[4] = 'lent', whole(now_ms + LENT)
    if not marked[each[1].id] then redis.call('HSET', pool .. 'token:' .. each[1].id, 'lent', state[4]) end
    marked[each[1].id] = true
  end
  answer[#answer + 1] = each[1].id
  answer[#answer + 1] = each[2]
  answer[#answer + 1] = each[1].ver
  answer[#answer + 1] = awaited and 1 or 0
  answer[#answer + 1] = each[1].slot and 1 or 0
end
redis.call('HSET', clock, unpack(state))
return answer
