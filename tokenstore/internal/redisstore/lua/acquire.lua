-- Picks the tokens that are due, admits them and leases them, in one step; or,
-- without committing, explains what it would pick and what excludes the others.
-- A token is eligible when it is enabled, has not expired, is not cooling (as a
-- whole or for the model), is not among the excluded, and has room under its cap.
-- Of the eligible ones the one with the lowest score is picked: its score is the
-- virtual time at which it is due, and each pick puts it 1/weight later. Among
-- equals the lowest id is picked.
-- KEYS[1] zset order: token id by score
-- KEYS[2] hash clock: upstream to virtual time
-- KEYS[3] zset cooling: token id by the time, in ms, at which it is back; these are not in order
-- KEYS[4] zset ids: all token ids
-- DYNKEY hash c1:{pool}:token:<id>
-- DYNKEY zset c1:{pool}:inflight:<id>
-- ARGV[1] token_prefix key prefix
-- ARGV[2] inflight_prefix key prefix
-- ARGV[3] upstream name
-- ARGV[4] model id
-- ARGV[5] count leases wanted
-- ARGV[6] ttl_ms ms
-- ARGV[7] mode commit, ahead (commit, uncapped tokens only) or explain
-- ARGV[8...] excluded token ids
-- RETURN commit, granted: {'granted', now_ms, then token id, lease id, ver, capped per lease}
-- RETURN commit, denied: {'denied', now_ms, total, disabled, expired, cooling, capped, tried, soonest_ms, soonest_tried_ms}
-- RETURN explain: {'explain', now_ms, chosen id or '', then id, alias, excluded_by, until_ms, score per token}

local order, clock, cooling, ids = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local token_prefix, inflight_prefix = ARGV[1], ARGV[2]
local upstream, model = ARGV[3], ARGV[4]
local count, ttl, mode = tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[7]

-- How far a token may lag behind the clock and still catch up: enough for
-- leases that came back unused, too little for a burst.
local SLACK = 16
-- Tokens looked at per read of the order.
local PAGE = 16
-- Tokens at their cap that one acquire steps over before it sets them aside.
local STEPS = 16

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

local excluded = {}
for i = 8, #ARGV do excluded[ARGV[i]] = true end

local function number(value) return tonumber(value or '0') or 0 end

-- All digits, so that equal scores stay equal.
local function exact(score) return string.format('%.17g', score) end

-- what excludes the token, until when (ms, 0: unknown), and its facts
local function examine(id)
  local f = redis.call('HMGET', token_prefix .. id, 'upstream', 'enabled', 'expires', 'cooling',
    'm:' .. model, 'cap', 'weight', 'epoch', 'ver')
  if f[1] ~= upstream then return 'absent', 0 end
  if f[2] ~= '1' then return 'disabled', 0 end
  local expires, cools, model_cools = number(f[3]), number(f[4]), number(f[5])
  if expires > 0 and expires <= now then return 'expired', 0 end
  if cools > now then return 'cooling', cools end
  if model_cools > now then return 'cooling_model', model_cools end
  if excluded[id] then return 'tried', 0 end
  local facts = {
    id = id, cap = number(f[6]), weight = math.max(number(f[7]), 1),
    epoch = f[8] or '0', ver = f[9] or '0', leases = {},
  }
  if facts.cap > 0 then
    if mode == 'ahead' then return 'capped', 0 end
    facts.room = facts.cap - redis.call('ZCOUNT', inflight_prefix .. id, '(' .. now, '+inf')
    if facts.room <= 0 then return 'capped', 0 end
  end
  return nil, 0, facts
end

local at = number(redis.call('HGET', clock, upstream))

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
  local page, next, offset, over = {}, 1, 0, false
  local queue = {}
  -- score and id of the next token, nil at the end
  function queue.peek()
    if next > #page and not over then
      page, next = redis.call('ZRANGE', order, offset, offset + PAGE - 1, 'WITHSCORES'), 1
      offset, over = offset + PAGE, #page < PAGE * 2
    end
    if page[next] then return tonumber(page[next + 1]), page[next] end
  end
  function queue.drop() next = next + 2 end
  return queue
end

-- Picks up to count leases; a token may be picked more than once. Answers the
-- picks, the tokens picked, those that are not to be in the order at all, and
-- those at their cap, with the score that each was met with.
local function pick(back)
  -- Eligible ones met so far: the last is due first.
  local ready = {}
  local function insert(facts)
    local low, high = 1, #ready + 1
    while low < high do
      local middle = math.floor((low + high) / 2)
      local other = ready[middle]
      if other.score > facts.score or other.score == facts.score and other.id > facts.id then
        low = middle + 1
      else
        high = middle
      end
    end
    table.insert(ready, low, facts)
  end

  local picks, picked, gone, full = {}, {}, {}, {}
  local function meet(id, due)
    local why, _, facts = examine(id)
    if not why then
      facts.score = math.max(due, at - SLACK)
      insert(facts)
    elseif why == 'absent' or why == 'disabled' or why == 'expired' then
      gone[#gone + 1] = id
    elseif why == 'capped' then
      full[#full + 1] = { id = id, due = due }
    end
  end

  for _, each in ipairs(back) do meet(each.id, each.due) end
  local queue = walk()
  while #picks < count do
    local best = ready[#ready]
    local due, id = queue.peek()
    if due and (not best or best.score > due or best.score == due and best.id > id) then
      queue.drop()
      meet(id, due)
    elseif best then
      table.remove(ready)
      at = math.max(at, best.score)
      best.score = best.score + 1 / best.weight
      if #best.leases == 0 then picked[#picked + 1] = best end
      -- The time makes it unique even after a Redis that lost its last second.
      local lease = best.epoch .. '-' .. time[1] .. string.format('%06d', time[2]) .. '-' .. #picks
      best.leases[#best.leases + 1] = lease
      picks[#picks + 1] = { best, lease }
      if best.room then best.room = best.room - 1 end
      if best.room ~= 0 then insert(best) end
    else
      break
    end
  end
  return picks, picked, gone, full
end

-- Sets tokens at their cap aside until one of their leases ends or expires.
local function set_aside(full)
  for _, each in ipairs(full) do
    local first = redis.call('ZRANGEBYSCORE', inflight_prefix .. each.id, '(' .. now, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
    redis.call('HSET', token_prefix .. each.id, 'due', exact(each.due))
    redis.call('ZREM', order, each.id)
    redis.call('ZADD', cooling, first[2], each.id)
  end
end

local function summary()
  local n = { total = 0, disabled = 0, expired = 0, cooling = 0, capped = 0, tried = 0 }
  local soonest, soonest_tried = 0, 0
  for _, id in ipairs(redis.call('ZRANGE', ids, 0, -1)) do
    local why, till = examine(id)
    if why ~= 'absent' then
      n.total = n.total + 1
      if why == 'cooling_model' then why = 'cooling' end
      if why then n[why] = n[why] + 1 end
      if till > 0 and excluded[id] then
        if soonest_tried == 0 or till < soonest_tried then soonest_tried = till end
      elseif till > 0 and (soonest == 0 or till < soonest) then
        soonest = till
      end
    end
  end
  return { 'denied', now, n.total, n.disabled, n.expired, n.cooling, n.capped, n.tried, soonest, soonest_tried }
end

if mode == 'explain' then
  count = 1
  local back, scores = woken(), {}
  for _, each in ipairs(back) do scores[each.id] = exact(each.due) end
  local picks = pick(back)
  local answer = { 'explain', now, picks[1] and picks[1][1].id or '' }
  for _, id in ipairs(redis.call('ZRANGE', ids, 0, -1)) do
    local why, till = examine(id)
    if why ~= 'absent' then
      answer[#answer + 1] = id
      answer[#answer + 1] = redis.call('HGET', token_prefix .. id, 'alias') or ''
      answer[#answer + 1] = why or ''
      answer[#answer + 1] = till
      answer[#answer + 1] = scores[id] or redis.call('ZSCORE', order, id) or ''
    end
  end
  return answer
end

for _, each in ipairs(woken()) do
  redis.call('ZREM', cooling, each.id)
  redis.call('ZADD', order, exact(each.due), each.id)
  redis.call('HDEL', token_prefix .. each.id, 'due')
end
local picks, picked, gone, full = pick({})
-- Out of the order until an admin's edit puts them back.
for _, id in ipairs(gone) do redis.call('ZREM', order, id) end
if #full > STEPS and mode ~= 'ahead' then set_aside(full) end
if #picks == 0 then return summary() end

local scores = {}
for _, facts in ipairs(picked) do
  local leases = {}
  for _, lease in ipairs(facts.leases) do
    leases[#leases + 1] = now + ttl
    leases[#leases + 1] = lease
  end
  redis.call('ZADD', inflight_prefix .. facts.id, unpack(leases))
  scores[#scores + 1] = exact(facts.score)
  scores[#scores + 1] = facts.id
end
redis.call('ZADD', order, unpack(scores))
redis.call('HSET', clock, upstream, exact(at))

local answer = { 'granted', now }
for _, each in ipairs(picks) do
  answer[#answer + 1] = each[1].id
  answer[#answer + 1] = each[2]
  answer[#answer + 1] = tonumber(each[1].ver)
  answer[#answer + 1] = each[1].cap > 0 and 1 or 0
end
return answer
