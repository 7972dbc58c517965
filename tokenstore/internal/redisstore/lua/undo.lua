-- Undoes what a class of outcome did to a token within a time: the token, and what
-- it cools for of models, is as it was before the first of it. Where something else
-- has happened to it since, that stays.
-- KEYS[1] hash token
-- KEYS[2] zset order: token id by score
-- KEYS[3] zset cooling: token id by the time, in ms, at which it is back
-- KEYS[4] stream history of the token
-- KEYS[5] hash clock: `at` virtual time
-- ARGV[1] id token id
-- ARGV[2] class of the outcome
-- ARGV[3] from ms
-- ARGV[4] to ms, included
-- ARGV[5] by whom
-- ARGV[6] keep entries of the history at most
-- ARGV[7] channel where new capacity is told
-- USE pool
-- USE standing
-- RETURN how many transitions were undone

local token, order, cooling, history, clock = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local id, class, from, to = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local by, keep, channel = ARGV[5], ARGV[6], ARGV[7]

local f = redis.call('HMGET', token, 'upstream', 'enabled', 'cause')
local upstream = f[1]
if not upstream then return 0 end

-- Newest first: what is undone of the token, under '', and of its models, under
-- their names; over is what an older entry can't touch any more.
local undone, over, first = 0, {}, {}
for _, entry in ipairs(redis.call('XREVRANGE', history, '+', '-')) do
  local at, e = tonumber(string.match(entry[1], '^%d+')), {}
  for i = 1, #entry[2], 2 do e[entry[2][i]] = entry[2][i + 1] end
  if e.kind == 'released' then break end
  local fits = e.class == class and at >= from and at <= to
  if e.kind == 'undone' or over[e.model] or not fits then
    over[e.model] = true
  else
    undone, first[e.model] = undone + 1, e
  end
end
-- An admin who has switched the token off and on has undone it already.
if first[''] and f[3] ~= class then undone, first[''] = undone - 1, nil end
if undone <= 0 then return 0 end

for model, e in pairs(first) do
  if model ~= '' then
    redis.call('HDEL', token, 'm:' .. model)
  else
    redis.call('HDEL', token, 'cooling', 'phase', 'due')
    redis.call('HSET', token, 'streak', e.streak, 'cause', e.cause)
    if e.phase ~= '' then redis.call('HSET', token, 'phase', e.phase) end
    redis.call('ZREM', cooling, id)
    if f[2] == '1' then enter(id, redis.call('HGET', clock, 'at') or '0') end
  end
  redis.call('XADD', history, 'MAXLEN', keep, '*', 'kind', 'undone', 'class', class, 'model', model, 'by', by)
end
stand(id)
redis.call('PUBLISH', channel, 'freed ' .. upstream)
return undone
