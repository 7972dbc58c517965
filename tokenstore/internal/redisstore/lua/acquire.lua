-- Picks the tokens that are due, admits them and leases them, in one step; or,
-- without committing, explains what it would pick and what excludes the others.
-- A token is eligible when it is enabled, is not parked, will not expire within the
-- time that a stream takes, is not cooling (as a whole or for the model), is not
-- among the excluded, and has room under its cap and in its phase. One that has
-- cooled is probed: one request at a time, then two, and so on; for a model, one
-- until that has succeeded. One that is new has one request until that succeeds, or
-- goes on for long.
-- Of the eligible ones the one with the lowest score is picked: its score is the
-- virtual time at which it is due, and each pick puts it 1/weight later. Among
-- equals the lowest id is picked. Other strategies look at all tokens: at which
-- has the fewest requests for its weight, which expires first, or which the key
-- falls to, while that has not much more requests than the others. A demand that names a token by its alias looks at
-- no other one.
-- While tokens share a cause of failure, few requests a time find out whether it is
-- over; the rest are denied.
-- KEYS[1] zset order: token id by score
-- KEYS[2] hash clock: `at` virtual time, `guard` the ms until which causes are to be looked at
-- KEYS[3] zset cooling: token id by the time, in ms, at which it is back; these are not in order
-- KEYS[4] zset ids: the pool's token ids
-- KEYS[5] hash names: alias to token id
-- KEYS[6] hash causes that tokens share: `<class> <model>` to state
-- DYNKEY hash c1:{pool:NAME}:token:<id>
-- DYNKEY zset c1:{pool:NAME}:inflight:<id>
-- ARGV[1] token_prefix key prefix
-- ARGV[2] inflight_prefix key prefix
-- ARGV[3] upstream name
-- ARGV[4] model id
-- ARGV[5] count leases wanted
-- ARGV[6] ttl_ms ms
-- ARGV[7] mode commit, ahead (commit, uncapped tokens only) or explain
-- ARGV[8] count_short 1: a denial counts what is short, at a cost that grows with the pool
-- ARGV[9] alias text, empty: any token
-- ARGV[10] lead_ms ms before its expiry from which a token is not picked
-- ARGV[11] patience_ms ms after which a new token's request that goes on lets others in
-- ARGV[12] strategy round_robin, least_in_flight, fill_first or sticky
-- ARGV[13] sticky_key text of which requests go to one token; empty: round_robin
-- ARGV[14...] excluded token ids
-- USE pool
-- RETURN commit, granted: {'granted', now_ms, then token id, lease id, ver, capped per lease}
-- RETURN commit, denied, of those asked for: {'denied', now_ms, total, disabled, expired, cooling, capped, tried, parked, probing, quarantined, soonest_ms, soonest_tried_ms, reserved, class of the cause that they share or ''}
-- RETURN commit, denied, not to be counted: {'denied'}
-- RETURN explain: {'explain', now_ms, chosen id or '', class of the cause that they share or '', until_ms, then id, alias, excluded_by, until_ms, score per token}

local order, clock, cooling, ids, names, causes = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local token_prefix, inflight_prefix = ARGV[1], ARGV[2]
local upstream, model = ARGV[3], ARGV[4]
local count, ttl, mode, alias = tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[7], ARGV[9]
local lead, patience = tonumber(ARGV[10]), tonumber(ARGV[11])

-- How far a token may lag behind the clock and still catch up: enough for
-- leases that came back unused, too little for a burst. As far ahead of the clock
-- may demands by name put a token.
local SLACK = 16
-- Tokens per read of the order, after a first read that mostly suffices.
local PAGE = 32
-- How long, in ms, those that a cause lets out may take to fail, before it lets out
-- twice as many; and how many are all.
local HOLD, ALL = 2000, 64
-- Tokens at their cap that one acquire steps over before it sets them aside.
local STEPS = 16

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

-- Text, because turning numbers into arguments is slow.
local expiry, open = string.format('%.0f', now + ttl), string.format('(%.0f', now)
-- A lease's id says its time, so that it is unique even after a Redis that lost
-- its last second.
local stamp = '-' .. time[1] .. string.format('%06d', time[2]) .. '-'

local excluded = {}
for i = 14, #ARGV do excluded[ARGV[i]] = true end

-- The id of the token that is asked for by name, '' when there is none; nil: any.
local named = nil
if alias ~= '' then named = redis.call('HGET', names, alias) or '' end

-- Whether the pick depends on more than the order.
local strategy, sticky_key = ARGV[12], ARGV[13]
if named or strategy == 'sticky' and sticky_key == '' then strategy = 'round_robin' end
local ranked = strategy ~= 'round_robin'
-- Whether it depends on the requests under way: their leases are to come back at once.
local counted = strategy == 'least_in_flight' or strategy == 'sticky'

local function number(value) return tonumber(value or '0') or 0 end

-- All digits, so that equal scores stay equal.
local function exact(score) return string.format('%.17g', score) end

-- The open leases of the token's epoch: how many, and when, in ms, the first was taken.
local function under_way(id, epoch)
  local n, first = 0, nil
  for _, lease in ipairs(redis.call('ZRANGEBYSCORE', inflight_prefix .. id, open, '+inf')) do
    local of, s, us = string.match(lease, '^(%d+)%-(%d+)(%d%d%d%d%d%d)%-')
    if of == epoch then
      local taken = tonumber(s) * 1000 + math.floor(tonumber(us) / 1000)
      n, first = n + 1, math.min(first or taken, taken)
    end
  end
  return n, first
end

-- How many leases more the phase of the token lets out, nil: any number. For
-- none: what that is called, and until when (ms, 0: unknown).
local function allowance(id, phase, epoch)
  local n, first = under_way(id, epoch)
  if phase ~= 'new' then
    local room = number(phase) - n
    if room > 0 then return room end
    return 0, 'probing', 0
  end
  if n == 0 then return 1 end
  if first + patience <= now then return nil end
  return 0, 'quarantined', first + patience
end

-- What there is about the model in the token: whether it is to be probed, what
-- excludes the token, and until when.
local function of_model(text)
  local till, lease = string.match(text, '^(%d+) ?%d* ?(.*)$')
  till = number(till)
  if till <= now then return true end
  if lease ~= '' then return true, 'probing_model', till end
  return false, 'cooling_model', till
end

-- what excludes the token, until when (ms, 0: unknown), and its facts
local function examine(id)
  local f = redis.call('HMGET', token_prefix .. id, 'upstream', 'enabled', 'expires', 'cooling',
    'm:' .. model, 'cap', 'weight', 'epoch', 'ver', 'phase')
  if f[1] ~= upstream then return 'absent', 0 end
  if f[2] ~= '1' then return 'disabled', 0 end
  if f[10] == 'parked' then return 'parked', 0 end
  if f[3] and f[3] ~= '0' and number(f[3]) <= now + lead then return 'expired', 0 end
  if f[4] and number(f[4]) > now then return 'cooling', number(f[4]) end
  local probes, why, till = false, nil, 0
  if f[5] then
    probes, why, till = of_model(f[5])
    if why then return why, till end
  end
  if excluded[id] then return 'tried', 0 end
  local cap, room, epoch = number(f[6]), nil, f[8] or '0'
  if cap > 0 then
    if mode == 'ahead' then return 'capped', 0 end
    room = cap - redis.call('ZCOUNT', inflight_prefix .. id, open, '+inf')
    if room <= 0 then return 'capped', 0 end
  end
  if f[10] then
    local allowed
    allowed, why, till = allowance(id, f[10], epoch)
    if why then return why, till end
    if allowed then room = math.min(room or allowed, allowed) end
  end
  if probes then room = 1 end
  return nil, 0, {
    id = id, capped = (room or cap > 0 or counted) and 1 or 0, room = room, weight = math.max(number(f[7]), 1),
    epoch = epoch, ver = tonumber(f[9]) or 0, leases = {}, probes = probes and f[5],
    rank = 0, expires = f[3],
  }
end

local virtual = redis.call('HMGET', clock, 'at', 'guard')
local at = number(virtual[1])

-- The causes of the model that are being probed, by field.
local probed = {}
-- How many leases the causes that tokens share let out, nil: any number. For none:
-- the class, and until when (ms).
local function shared()
  local let, class, till = nil, nil, 0
  local f = redis.call('HGETALL', causes)
  for i = 1, #f, 2 do
    local of, about = string.match(f[i], '^(%S+) (.*)$')
    local since, began, ends, failures, allow, left = string.match(f[i + 1], '^(%d+) (%d+) (%d+) (%d+) (%d+) (%d+)$')
    if about == model and since then
      began, ends, allow, left = number(began), number(ends), number(allow), number(left)
      if ends <= now then
        allow = math.max(allow * 2, 1)
        began, ends, left = now, now + HOLD, allow
      end
      probed[f[i]] = { since = since, began = began, ends = ends, failures = failures, allow = allow, left = left }
      let = math.min(let or left, left)
      if left == 0 and ends > till then class, till = of, ends end
    end
  end
  return let, class, till
end

-- The tokens that are back from cooling or may have room again, with the score
-- that each comes back with.
local function woken()
  local back = {}
  for i, id in ipairs(redis.call('ZRANGEBYSCORE', cooling, '-inf', now)) do
    back[i] = { id = id, due = tonumber(redis.call('HGET', token_prefix .. id, 'due') or at) }
  end
  return back
end

-- The tokens in order, each read only when a pick depends on it.
local function walk()
  local page, next, offset, size, over = {}, 1, 0, math.min(count + 1, PAGE), false
  local queue = {}
  -- score and id of the next token, nil at the end
  function queue.peek()
    if next > #page and not over then
      page, next = redis.call('ZRANGE', order, offset, offset + size - 1, 'WITHSCORES'), 1
      over = #page < size * 2
      offset, size = offset + size, PAGE
    end
    if page[next] then return tonumber(page[next + 1]), page[next] end
  end
  function queue.drop() next = next + 2 end
  return queue
end

-- The named token, as walk would give it.
local function only(id)
  local due = tonumber(redis.call('ZSCORE', order, id) or at)
  local queue = {}
  function queue.peek()
    if id then return due, id end
  end
  function queue.drop() id = nil end
  return queue
end

-- The score of a token after one more pick. Picks by name count in the token's
-- share, up to a bound: those that want any token don't wait for all of them.
local function later(facts)
  local score = facts.score + 1 / facts.weight
  if named then return math.min(score, math.max(facts.score, at + SLACK)) end
  return score
end

-- How far above the average of their requests a key's token may be, beyond the few
-- that are no load.
local BALANCE, FEW = 1.25, 4
-- What comes after every time and every hash.
local LAST = 2 ^ 53

-- Gives a token its rank in a strategy; the lowest is picked.
local function rank(facts)
  if strategy == 'fill_first' then
    local expires = number(facts.expires)
    facts.rank = expires > 0 and expires or LAST
    return
  end
  facts.n = facts.n or redis.call('ZCOUNT', inflight_prefix .. facts.id, open, '+inf')
  if strategy == 'least_in_flight' then
    facts.rank = facts.n / facts.weight
  elseif facts.rank == 0 then
    facts.rank = tonumber(string.sub(redis.sha1hex(sticky_key .. ' ' .. facts.id), 1, 12), 16)
  end
end

-- Whether a is to be picked before b.
local function before(a, b)
  if a.rank ~= b.rank then return a.rank < b.rank end
  if a.score ~= b.score and strategy ~= 'fill_first' then return a.score < b.score end
  return a.id < b.id
end

-- The place of the one to be picked of those that are ready, the last of which comes
-- first.
local function place(ready)
  if strategy ~= 'sticky' then return #ready end
  local total = 1
  for _, facts in ipairs(ready) do total = total + facts.n end
  local most = math.max(math.ceil(total * BALANCE / #ready), FEW)
  for i = #ready, 1, -1 do
    if ready[i].n < most then return i end
  end
  return #ready
end

-- Picks up to count leases; a token may be picked more than once. Answers the
-- picks, the tokens picked, those that are not to be in the order at all, and
-- those without room, with the score that each was met with.
local function pick(back)
  -- Eligible ones met so far: the last is due first.
  local ready = {}
  local function insert(facts)
    local low, high = 1, #ready + 1
    while low < high do
      local middle = math.floor((low + high) / 2)
      if before(facts, ready[middle]) then
        low = middle + 1
      else
        high = middle
      end
    end
    table.insert(ready, low, facts)
  end

  local picks, picked, gone, full = {}, {}, {}, {}
  local function meet(id, due)
    local why, till, facts = examine(id)
    if not why then
      facts.score = math.max(due, at - SLACK)
      if ranked then rank(facts) end
      insert(facts)
    elseif why == 'absent' or why == 'disabled' or why == 'parked' or why == 'expired' then
      gone[#gone + 1] = id
    elseif why == 'capped' or why == 'probing' or why == 'quarantined' then
      full[#full + 1] = { id = id, due = due, till = till }
    end
  end

  for _, each in ipairs(back) do meet(each.id, each.due) end
  local queue = named and only(named) or walk()
  while #picks < count do
    local best = ready[#ready]
    local due, id = queue.peek()
    if due and (ranked or not best or best.score > due or best.score == due and best.id > id) then
      queue.drop()
      meet(id, due)
    elseif best then
      best = table.remove(ready, place(ready))
      -- The clock follows those that are due, not those that are named.
      if not named then at = math.max(at, best.score) end
      best.score = later(best)
      if #best.leases == 0 then picked[#picked + 1] = best end
      local lease = best.epoch .. stamp .. #picks .. (best.probes and '-p' or '')
      best.leases[#best.leases + 1] = expiry
      best.leases[#best.leases + 1] = lease
      picks[#picks + 1] = { best, lease }
      if best.room then best.room = best.room - 1 end
      if ranked then
        if best.n then best.n = best.n + 1 end
        rank(best)
      end
      if best.room ~= 0 then insert(best) end
    else
      break
    end
  end
  return picks, picked, gone, full
end

-- Sets tokens without room aside until one of their leases ends or expires, or
-- until they have room anyway.
local function set_aside(full)
  for _, each in ipairs(full) do
    local back = each.till
    if back == 0 then
      back = redis.call('ZRANGEBYSCORE', inflight_prefix .. each.id, open, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)[2]
    end
    redis.call('HSET', token_prefix .. each.id, 'due', exact(each.due))
    redis.call('ZREM', order, each.id)
    redis.call('ZADD', cooling, back, each.id)
  end
end

-- Whether a replica holds slots of the token in reserve.
local function has_slots_held(id)
  local f = redis.call('HMGET', token_prefix .. id, 'held', 'held_until')
  return number(f[1]) > 0 and number(f[2]) > now
end

-- Counts what excludes the tokens that were asked for; class and till are of the
-- cause that they share, where there is one.
local function summary(class, till)
  local n = { total = 0, disabled = 0, expired = 0, cooling = 0, capped = 0, tried = 0, parked = 0, probing = 0, quarantined = 0 }
  local soonest, soonest_tried, reserved = 0, 0, 0
  for _, id in ipairs(named and { named } or redis.call('ZRANGE', ids, 0, -1)) do
    local why, back = examine(id)
    if why ~= 'absent' then
      n.total = n.total + 1
      if why == 'cooling_model' then why = 'cooling' end
      if why == 'probing_model' then why, back = 'probing', 0 end -- it may end sooner
      if why then n[why] = n[why] + 1 end
      if why == 'capped' and has_slots_held(id) then reserved = reserved + 1 end
      if back > 0 and excluded[id] then
        if soonest_tried == 0 or back < soonest_tried then soonest_tried = back end
      elseif back > 0 and (soonest == 0 or back < soonest) then
        soonest = back
      end
    end
  end
  if class then soonest = till end
  return {
    'denied', now, n.total, n.disabled, n.expired, n.cooling, n.capped, n.tried, n.parked, n.probing, n.quarantined,
    soonest, soonest_tried, reserved, class or '',
  }
end

local let, class, till = nil, nil, 0
if number(virtual[2]) > now then let, class, till = shared() end

if mode == 'explain' then
  count = class and 0 or 1
  local back, scores = woken(), {}
  for _, each in ipairs(back) do scores[each.id] = exact(each.due) end
  local picks = pick(back)
  local answer = { 'explain', now, picks[1] and picks[1][1].id or '', class or '', till }
  for _, id in ipairs(redis.call('ZRANGE', ids, 0, -1)) do
    local why, back = examine(id)
    if why ~= 'absent' then
      answer[#answer + 1] = id
      answer[#answer + 1] = redis.call('HGET', token_prefix .. id, 'alias') or ''
      answer[#answer + 1] = why or ''
      answer[#answer + 1] = back
      answer[#answer + 1] = scores[id] or redis.call('ZSCORE', order, id) or ''
    end
  end
  return answer
end

if let then -- nothing is taken ahead while it is not known whether it can be used
  count = mode == 'ahead' and 0 or math.min(count, let)
  if count == 0 then return ARGV[8] == '1' and summary(class, till) or { 'denied' } end
end
for _, each in ipairs(woken()) do
  redis.call('ZREM', cooling, each.id)
  enter(each.id, exact(each.due))
  redis.call('HDEL', token_prefix .. each.id, 'due')
end
local picks, picked, gone, full = pick({})
-- Out of the order until an admin's edit puts them back.
for _, id in ipairs(gone) do redis.call('ZREM', order, id) end
if #full > STEPS and mode ~= 'ahead' then set_aside(full) end
if #picks == 0 then return ARGV[8] == '1' and summary() or { 'denied' } end

local scores = {}
for _, facts in ipairs(picked) do
  redis.call('ZADD', inflight_prefix .. facts.id, unpack(facts.leases))
  for i = 2, #facts.leases, 2 do redis.call('ZADD', pool .. 'leases', expiry, facts.id .. ' ' .. facts.leases[i]) end
  if facts.probes then -- until it ends, no other request of the model has the token
    local streak = string.match(facts.probes, '^%d+ (%d+)') or '0'
    redis.call('HSET', token_prefix .. facts.id, 'm:' .. model, expiry .. ' ' .. streak .. ' ' .. facts.leases[2])
  end
  scores[#scores + 1] = exact(facts.score)
  scores[#scores + 1] = facts.id
end
redis.call('ZADD', order, unpack(scores))
redis.call('HSET', clock, 'at', exact(at))
for about, c in pairs(probed) do
  if c.allow > ALL then -- those of before have not failed: it is over
    redis.call('HDEL', causes, about)
  else
    redis.call('HSET', causes, about, c.since .. ' ' .. string.format('%.0f %.0f', c.began, c.ends) .. ' ' .. c.failures .. ' ' ..
      string.format('%d %d', c.allow, c.left - #picks))
  end
end

local answer = { 'granted', now }
for _, each in ipairs(picks) do
  answer[#answer + 1] = each[1].id
  answer[#answer + 1] = each[2]
  answer[#answer + 1] = each[1].ver
  answer[#answer + 1] = each[1].capped
end
return answer
