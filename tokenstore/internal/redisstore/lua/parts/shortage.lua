-- Counts what excludes the tokens that were asked for. Of a small pool each token is
-- looked at; of a large one those that the pick has met, and the rest is counted: a token
-- that is both at its cap and marked for the model counts as at its cap there.
-- DYNKEY zset c1:{pool:NAME}:refreshes ids of tokens that are renewed by when that is due, in ms
-- DYNKEY zset c1:{pool:NAME}:held ids of tokens of which slots are held in reserve, by until when,
--   in ms
-- Needs pool, time, numbers, demand, admit, standing, pick.

-- Tokens that are looked at one by one.
local SMALL = 256

local KINDS = { 'total', 'disabled', 'expired', 'cooling', 'capped', 'tried', 'parked', 'probing', 'quarantined' }

-- A tally, and what counts a token in it. Times are of the first token that is back.
local function new_tally()
  local n = { soonest = 0, soonest_tried = 0, reserved = 0, renewing = 0 }
  for _, kind in ipairs(KINDS) do n[kind] = 0 end
  local function back_at(id, back)
    local which = excluded[id] and 'soonest_tried' or 'soonest'
    if back > 0 and (n[which] == 0 or back < n[which]) then n[which] = back end
  end
  local function add(id, why, back)
    if why == 'absent' then return end
    n.total = n.total + 1
    if why == 'cooling_model' then why = 'cooling' end
    if why == 'probing_model' then why, back = 'probing', 0 end -- it may end sooner
    if why then n[why] = n[why] + 1 end
    back_at(id, back)
  end
  return n, add, back_at
end

-- Whether a replica holds slots of the token in reserve.
local function has_slots_held(id)
  local f = redis.call('HMGET', pool .. 'token:' .. id, 'held', 'held_until')
  return number(f[1]) > 0 and number(f[2]) > now_ms
end

-- Whether an expired token waits for another access token.
local function is_renewing(id)
  local f = redis.call('HMGET', pool .. 'token:' .. id, 'renewable', 'needs_login')
  return f[1] == '1' and f[2] ~= '1'
end

local function look_at_each(ids)
  local n, add = new_tally()
  for _, id in ipairs(ids) do
    local why, back = examine(id)
    add(id, why, back)
    if why == 'capped' and has_slots_held(id) then n.reserved = n.reserved + 1 end
    if why == 'expired' and is_renewing(id) then n.renewing = n.renewing + 1 end
  end
  return n
end

-- found is what the pick has met: all that is in the order.
local function count_all(found)
  local n, add, back_at = new_tally()
  local function standing(code) return redis.call('ZCOUNT', pool .. 'standing', code, code) end
  sweep(now_ms + demand.lead_ms)
  local met_new, met_probed = 0, 0
  for id, each in pairs(found.why) do
    if redis.call('ZSCORE', pool .. 'order', id) then
      add(id, each[1], each[2])
      if found.phases[id] == 'new' then met_new = met_new + 1 elseif found.phases[id] then met_probed = met_probed + 1 end
    end
  end
  local resting = redis.call('ZCOUNT', pool .. 'rests', ahead_of_now, '+inf')
  local fresh = standing(STANDING.quarantined) - met_new
  local probed = standing(STANDING.probing) - resting - met_probed
  n.total = redis.call('ZCARD', pool .. 'ids')
  n.disabled, n.parked, n.expired = standing(STANDING.disabled), standing(STANDING.parked), standing(STANDING.expired)
  -- Perhaps fewer: then somebody waits in vain.
  n.renewing = math.min(n.expired, redis.call('ZCARD', pool .. 'refreshes'))
  -- What was stepped over is marked for the model.
  n.cooling = n.cooling + resting + demand.skip
  -- Those that were set aside for want of room.
  local aside = math.max(n.total - n.disabled - n.parked - n.expired - resting - redis.call('ZCARD', pool .. 'order'), 0)
  local function share(kind, count)
    count = math.max(math.min(count, aside), 0)
    n[kind], aside = n[kind] + count, aside - count
  end
  for id in pairs(excluded) do
    if not found.why[id] and examine(id) == 'tried' then share('tried', 1) end
  end
  share('quarantined', fresh)
  share('probing', probed)
  share('capped', aside)
  n.reserved = math.min(n.capped, redis.call('ZCOUNT', pool .. 'held', ahead_of_now, '+inf'))
  local first = redis.call('ZRANGEBYSCORE', pool .. 'rests', ahead_of_now, '+inf', 'WITHSCORES', 'LIMIT', 0, #demand.exclude + 1)
  for i = 1, #first, 2 do back_at(first[i], math.min(tonumber(first[i + 1]), now_ms + demand.longest_ms)) end
  return n
end

-- Whether slots may come back that no request uses; where one token is asked for, slots of that
-- one.
local function is_lent(found)
  return found.lent and (not named or number(redis.call('HGET', pool .. 'token:' .. named, 'lent')) > now_ms)
end

-- The answer to a demand that nothing is granted for; class and till are of the cause that
-- the tokens share, where there is one.
local function denied(found, class, till)
  local lent = is_lent(found) and 1 or 0
  if not demand.count_short then return { 'denied', now_ms, lent } end
  local n
  if named then
    n = look_at_each({ named })
  elseif redis.call('ZCARD', pool .. 'ids') <= SMALL then
    n = look_at_each(redis.call('ZRANGE', pool .. 'ids', 0, -1))
  else
    n = count_all(found)
  end
  local answer = { 'denied', now_ms }
  for _, kind in ipairs(KINDS) do answer[#answer + 1] = n[kind] end
  for _, value in ipairs({ class and till or n.soonest, n.soonest_tried, n.reserved, class or '', n.renewing, n.capped > 0 and lent or 0 }) do answer[#answer + 1] = value end
  return answer
end
