-- Picks the tokens that are due, admits them and leases them, in one step; or,
-- without committing, explains what it would pick and what excludes the others.
-- A token is eligible when it is enabled, has not expired, is not cooling (as a
-- whole or for the model), is not among the excluded, and has room under its cap.
-- Of the eligible ones the one with the lowest score is picked: its score is the
-- virtual time at which it is due, and each pick puts it 1/weight later.
-- KEYS[1] zset order: token id by score
-- KEYS[2] hash clock: upstream to virtual time
-- KEYS[3] zset cooling: token id by end, in ms; these are not in order
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
-- RETURN commit, granted: {'granted', now_ms, then id, epoch, ver, seq, capped per lease}
-- RETURN commit, denied: {'denied', now_ms, total, disabled, expired, cooling, capped, tried, soonest_ms}
-- RETURN explain: {'explain', now_ms, chosen id or '', then id, excluded_by, until_ms, score per token}

local order, clock, cooling, ids = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local token_prefix, inflight_prefix = ARGV[1], ARGV[2]
local upstream, model = ARGV[3], ARGV[4]
local count, ttl, mode = tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[7]

-- How far a token may lag behind the clock and still catch up: enough for
-- leases that came back unused, too little for a burst.
local SLACK = 16
-- Tokens looked at per read of the order.
local PAGE = 16

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

local excluded = {}
for i = 8, #ARGV do excluded[ARGV[i]] = true end

local function number(value) return tonumber(value or '0') or 0 end

-- what excludes the token, until when (ms, 0: unknown), and its facts
local function examine(id)
  local f = redis.call('HMGET', token_prefix .. id, 'upstream', 'enabled', 'expires', 'cooling',
    'm:' .. model, 'cap', 'weight', 'epoch', 'ver', 'seq')
  local facts = {
    id = id, upstream = f[1], cap = number(f[6]), weight = math.max(number(f[7]), 1),
    epoch = number(f[8]), ver = number(f[9]), seq = number(f[10]), taken = 0,
  }
  if not f[1] or f[1] ~= upstream then return 'absent', 0, facts end
  if f[2] ~= '1' then return 'disabled', 0, facts end
  local expires, cools, model_cools = number(f[3]), number(f[4]), number(f[5])
  if expires > 0 and expires <= now then return 'expired', 0, facts end
  if cools > now then return 'cooling', cools, facts end
  if model_cools > now then return 'cooling_model', model_cools, facts end
  if excluded[id] then return 'tried', 0, facts end
  if facts.cap > 0 then
    if mode == 'ahead' then return 'capped', 0, facts end
    facts.room = facts.cap - redis.call('ZCOUNT', inflight_prefix .. id, '(' .. now, '+inf')
    if facts.room <= 0 then return 'capped', 0, facts end
  end
  return nil, 0, facts
end

-- Tokens that cooled long enough come back at the clock. The leading part of
-- the set is all that is read, so a large pool costs nothing here.
local function wake()
  local due = redis.call('ZRANGEBYSCORE', cooling, '-inf', now, 'LIMIT', 0, 64)
  for _, id in ipairs(due) do
    redis.call('ZREM', cooling, id)
    if redis.call('EXISTS', token_prefix .. id) == 1 then
      redis.call('ZADD', order, redis.call('HGET', clock, upstream) or '0', id)
    end
  end
end

-- The tokens in order, each examined only when a pick depends on it.
local function walk()
  local page, at, offset, over = {}, 1, 0, false
  local queue = {}
  -- score of the next token, nil at the end
  function queue.peek()
    if at > #page and not over then
      page, at = redis.call('ZRANGE', order, offset, offset + PAGE - 1, 'WITHSCORES'), 1
      offset, over = offset + PAGE, #page < PAGE * 2
    end
    return page[at + 1] and tonumber(page[at + 1])
  end
  function queue.next()
    at = at + 2
    return page[at - 2]
  end
  return queue
end

-- Picks up to count leases; a token may be picked more than once.
local function pick(commit)
  local at = number(redis.call('HGET', clock, upstream))
  local ready, picks, gone = {}, {}, {}
  local queue = walk()
  while #picks < count do
    local best
    for _, facts in ipairs(ready) do
      if (not facts.room or facts.room > 0) and (not best or facts.score < best.score) then best = facts end
    end
    local due = queue.peek()
    if due and (not best or best.score > due) then
      local id = queue.next()
      local why, _, facts = examine(id)
      if not why then
        facts.score = math.max(due, at - SLACK)
        ready[#ready + 1] = facts
      elseif why == 'absent' or why == 'disabled' or why == 'expired' then
        gone[#gone + 1] = id
      end
    elseif best then
      at = math.max(at, best.score)
      best.score = best.score + 1 / best.weight
      best.taken = best.taken + 1
      if best.room then best.room = best.room - 1 end
      picks[#picks + 1] = best
    else
      break
    end
  end
  if commit then
    -- Out of the order until an admin's edit puts them back.
    for _, id in ipairs(gone) do redis.call('ZREM', order, id) end
    if #picks > 0 then redis.call('HSET', clock, upstream, tostring(at)) end
  end
  return picks, ready
end

local function summary()
  local n = { total = 0, disabled = 0, expired = 0, cooling = 0, capped = 0, tried = 0 }
  local soonest = 0
  for _, id in ipairs(redis.call('ZRANGE', ids, 0, -1)) do
    local why, till = examine(id)
    if why ~= 'absent' then
      n.total = n.total + 1
      if why == 'cooling_model' then why = 'cooling' end
      if why then n[why] = n[why] + 1 end
      if till > 0 and not excluded[id] and (soonest == 0 or till < soonest) then soonest = till end
    end
  end
  return { 'denied', now, n.total, n.disabled, n.expired, n.cooling, n.capped, n.tried, soonest }
end

if mode == 'explain' then
  count = 1
  local picks = pick(false)
  local answer = { 'explain', now, picks[1] and picks[1].id or '' }
  for _, id in ipairs(redis.call('ZRANGE', ids, 0, -1)) do
    local why, till = examine(id)
    if why ~= 'absent' then
      answer[#answer + 1] = id
      answer[#answer + 1] = why or ''
      answer[#answer + 1] = till
      answer[#answer + 1] = redis.call('ZSCORE', order, id) or ''
    end
  end
  return answer
end

wake()
local picks, ready = pick(true)
if #picks == 0 then return summary() end

local answer = { 'granted', now }
for _, facts in ipairs(picks) do
  facts.seq = facts.seq + 1
  redis.call('ZADD', inflight_prefix .. facts.id, now + ttl, facts.epoch .. '-' .. facts.seq)
  answer[#answer + 1] = facts.id
  answer[#answer + 1] = facts.epoch
  answer[#answer + 1] = facts.ver
  answer[#answer + 1] = facts.seq
  answer[#answer + 1] = facts.cap > 0 and 1 or 0
end
for _, facts in ipairs(ready) do
  if facts.taken > 0 then
    redis.call('HSET', token_prefix .. facts.id, 'seq', facts.seq)
    redis.call('ZADD', order, tostring(facts.score), facts.id)
    -- Leases that expired: their gateway died.
    redis.call('ZREMRANGEBYSCORE', inflight_prefix .. facts.id, '-inf', now)
  end
end
return answer
