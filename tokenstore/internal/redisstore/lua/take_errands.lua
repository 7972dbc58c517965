-- Prolongs the errands of one pool that a gateway has in hand, and hands out others that are
-- due: each to one caller, under an epoch that no other errand of the pool has had.
-- KEYS[1] hash clock: `errand` the last epoch, `questions` how far they are planned, `asked` ms of
--   the last one
-- KEYS[2] zset refreshes: token id by when its refresh is due, in ms
-- KEYS[3] zset questions: token id by when its account is to be asked for, in ms
-- KEYS[4] zset ids: the pool's token ids by creation, in µs
-- DYNKEY hash c1:{pool:NAME}:token:<id>
-- ARGV[1] room errands more that the caller has room for
-- ARGV[2] hold_ms ms for which an errand stays in hand
-- ARGV[3] asks 1 or 0: the upstream tells accounts, and the caller has room for a question
-- ARGV[4] pause_ms ms between two questions for accounts
-- ARGV[5] rest_ms ms for which a token is not asked about that is of no use
-- ARGV[6...] per errand in hand: token id, epoch
-- USE pool
-- USE time
-- USE numbers
-- USE epoch
-- RETURN {number lost, then id, epoch of each, then per errand handed out: refresh or question, id,
--   epoch}

local clock, refreshes, questions, ids = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local room, hold, asks = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3] == '1'
local pause, rest = tonumber(ARGV[4]), tonumber(ARGV[5])
local call = redis.call

-- Tokens that are planned in one go, and that are looked at for a question.
local PLAN, LOOK = 500, 16

local till = whole(now_ms + hold)
local lost, taken = {}, {}

local function prolong(id, epoch)
  local f = call('HMGET', pool .. 'token:' .. id, 'refreshing', 'asking')
  if f[1] == epoch then
    call('ZADD', refreshes, till, id)
  elseif f[2] == epoch then
    call('ZADD', questions, till, id)
  else
    lost[#lost + 1], lost[#lost + 2] = id, epoch
  end
end

local function hand_out(kind, plan, field, id)
  if call('EXISTS', pool .. 'token:' .. id) == 0 then
    call('ZREM', plan, id)
    return
  end
  local epoch = whole(next_epoch(call('HGET', clock, 'errand')))
  call('HSET', clock, 'errand', epoch)
  call('HSET', pool .. 'token:' .. id, field, epoch)
  call('ZADD', plan, till, id)
  room = room - 1
  for _, value in ipairs({ kind, id, epoch }) do taken[#taken + 1] = value end
end

-- Plans questions about the tokens that were there before there were any; new ones plan
-- theirs by themselves from then on.
local function plan_questions()
  local built = call('HGET', clock, 'questions')
  if built == 'whole' then return end
  local page = call('ZRANGEBYSCORE', ids, built and '(' .. built or '-inf', '+inf', 'WITHSCORES', 'LIMIT', 0, PLAN)
  for i = 1, #page, 2 do call('ZADD', questions, 'NX', 0, page[i]) end
  call('HSET', clock, 'questions', #page == PLAN * 2 and page[#page] or 'whole')
end

-- Whether it is worth asking about a token: it is in use, or could be.
local function is_of_use(id)
  local f = call('HMGET', pool .. 'token:' .. id, 'enabled', 'phase', 'expires')
  if not f[1] then call('ZREM', questions, id) end
  return f[1] == '1' and f[2] ~= 'parked' and (number(f[3]) == 0 or number(f[3]) > now_ms)
end

local function ask()
  local asked = number(call('HGET', clock, 'asked'))
  if asked <= now_ms and asked + pause > now_ms then return end
  for _, id in ipairs(call('ZRANGEBYSCORE', questions, '-inf', now, 'LIMIT', 0, LOOK)) do
    if is_of_use(id) then
      call('HSET', clock, 'asked', now)
      return hand_out('question', questions, 'asking', id)
    end
    call('ZADD', questions, 'XX', whole(now_ms + rest), id)
  end
end

for i = 6, #ARGV, 2 do prolong(ARGV[i], ARGV[i + 1]) end
if room > 0 then
  for _, id in ipairs(call('ZRANGEBYSCORE', refreshes, '-inf', now, 'LIMIT', 0, room)) do
    hand_out('refresh', refreshes, 'refreshing', id)
  end
end
if asks then plan_questions() end
if asks and room > 0 then ask() end
local answer = { #lost / 2 }
for _, list in ipairs({ lost, taken }) do
  for _, value in ipairs(list) do answer[#answer + 1] = value end
end
return answer
