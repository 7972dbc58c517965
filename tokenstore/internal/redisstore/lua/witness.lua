-- Takes down a failure that other tokens may have alike. When it has happened to
-- several tokens, in several requests, and to hardly any token else not, within a
-- time, no token is to blame: they share a cause, which from then on has a breaker
-- of its own, in acquire. A request that the breaker let out and that fails too
-- opens it again, for longer.
-- KEYS[1] hash clock: `guard` the ms until which there is something here to look at
-- KEYS[2] hash window: what was seen of the upstream since the first failure
-- KEYS[3] hash causes that tokens share: `<class> <model>` to state
-- ARGV[1] id token id
-- ARGV[2] lease id
-- ARGV[3] class of the outcome
-- ARGV[4] model id
-- ARGV[5] request id
-- ARGV[6] window_ms ms that a window lasts
-- ARGV[7] cause_ms ms after which a cause is forgotten of which nothing is heard
-- RETURN {'alone'}: the token's own, as far as known
-- RETURN {'shared'}: the cause is known
-- RETURN {'tripped', from_ms, 1 or 0, token id …}: it is since now, the window began then; whether no other cause of the class was known; the tokens

local clock, window, causes = KEYS[1], KEYS[2], KEYS[3]
local id, lease, class, model, request = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local window_ms, cause_ms = tonumber(ARGV[6]), tonumber(ARGV[7])

-- So many tokens fail alike, and at most a third as many do not.
local TOKENS, ALIKE = 3, 3
-- Bounds of the pause before a cause is probed again, in ms.
local FIRST, LONGEST = 250, 5000

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local function whole(n) return string.format('%.0f', n) end

-- Acquires and settles look here until then.
local function point(till)
  if tonumber(redis.call('HGET', clock, 'guard') or '0') < till then redis.call('HSET', clock, 'guard', whole(till)) end
end

local about = class .. ' ' .. model
local state = redis.call('HGET', causes, about)
local calm = state and tonumber(string.match(state, '^calm (%d+)$') or '0') or 0
if state and calm == 0 then
  local since, began, till, failures, allow = string.match(state, '^(%d+) (%d+) (%d+) (%d+) (%d+)')
  local s, us = string.match(lease, '^%d+%-(%d+)(%d%d%d%d%d%d)%-')
  local taken = s and tonumber(s) * 1000 + math.floor(tonumber(us) / 1000) or 0
  if tonumber(allow) > 0 and taken >= tonumber(began) then -- once for all that were let out together
    local pause = math.min(FIRST * 2 ^ tonumber(failures), LONGEST)
    redis.call('HSET', causes, about, since .. ' ' .. whole(now) .. ' ' .. whole(now + pause) .. ' ' ..
      whole(tonumber(failures) + 1) .. ' 0 0')
    redis.call('PEXPIRE', causes, cause_ms)
    point(now + cause_ms)
  end
  return { 'shared' }
end

if redis.call('EXISTS', window) == 0 then
  redis.call('HSET', window, 'from', whole(now))
  redis.call('PEXPIRE', window, window_ms)
  point(now + window_ms)
end
local failed = tonumber(redis.call('HGET', window, 'failed ' .. about) or '0')
if redis.call('HSETNX', window, 'token ' .. about .. ' ' .. id, '1') == 1 then
  failed = redis.call('HINCRBY', window, 'failed ' .. about, 1)
end
redis.call('HSETNX', window, 'request ' .. about, request)
local other = request == '' or redis.call('HGET', window, 'request ' .. about) ~= request
local well = tonumber(redis.call('HGET', window, 'well ' .. model) or '0')
if failed < TOKENS or failed < well * ALIKE or not other or calm > now then return { 'alone' } end

local news = 1
for _, each in ipairs(redis.call('HKEYS', causes)) do
  if string.match(each, '^(%S+)') == class then news = 0 end
end
redis.call('HSET', causes, about, whole(now) .. ' ' .. whole(now) .. ' ' .. whole(now) .. ' 0 0 0')
redis.call('PEXPIRE', causes, cause_ms)
point(now + cause_ms)
local answer, prefix = { 'tripped', redis.call('HGET', window, 'from'), news }, 'token ' .. about .. ' '
for _, field in ipairs(redis.call('HKEYS', window)) do
  if string.sub(field, 1, #prefix) == prefix then answer[#answer + 1] = string.sub(field, #prefix + 1) end
end
redis.call('DEL', window) -- what comes after is another story
return answer
