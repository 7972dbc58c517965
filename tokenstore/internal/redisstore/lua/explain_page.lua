-- Says of some tokens what excludes them.
-- KEYS[1] zset order: token id by score
-- KEYS[2] zset cooling: token id by the time, in ms, at which it is back
-- KEYS[3] hash clock: `at` virtual time
-- KEYS[4] zset ids: the pool's token ids by creation, in µs
-- ARGV[1] demand JSON of leaseDemand
-- ARGV[2] after µs: the creation that the page comes after
-- ARGV[3] count tokens at most
-- USE pool
-- USE time
-- USE numbers
-- USE demand
-- USE admit
-- RETURN {µs of the last token or '', then id, alias, excluded_by, until_ms, score per token}

local order, cooling, clock, ids, after, count = KEYS[1], KEYS[2], KEYS[3], KEYS[4], ARGV[2], ARGV[3]

-- The score of a token that is back, but that no acquire has looked at since.
local function comes_back_with(id)
  local back = redis.call('ZSCORE', cooling, id)
  if not back or tonumber(back) > now_ms then return '' end
  return redis.call('HGET', pool .. 'token:' .. id, 'due') or redis.call('HGET', clock, 'at') or '0'
end

local page = redis.call('ZRANGEBYSCORE', ids, '(' .. after, '+inf', 'WITHSCORES', 'LIMIT', 0, count)
local answer = { page[#page] or '' }
for i = 1, #page, 2 do
  local id = page[i]
  local why, back = examine(id)
  if why ~= 'absent' then
    answer[#answer + 1] = id
    answer[#answer + 1] = redis.call('HGET', pool .. 'token:' .. id, 'alias') or ''
    answer[#answer + 1] = why or ''
    answer[#answer + 1] = back
    answer[#answer + 1] = redis.call('ZSCORE', order, id) or comes_back_with(id)
  end
end
return answer
