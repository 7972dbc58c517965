-- Undoes what a class of outcome did to a token within a time: the token, and what
-- it cools for of models, is as it was before the first of it. Where something else
-- has happened to it since, that stays. Returns how many transitions were undone.
-- DYNKEY hash c1:{pool:NAME}:token:<id>
-- DYNKEY zset c1:{pool:NAME}:order token id by score
-- DYNKEY zset c1:{pool:NAME}:cooling token id by the time, in ms, at which it is back
-- DYNKEY stream c1:{pool:NAME}:history:<id> of the token
-- DYNKEY hash c1:{pool:NAME}:clock `at` virtual time
-- Needs pool, tell, standing, errands.
local function undo(id, class, from, to, by, keep)
  local token, history = pool .. 'token:' .. id, pool .. 'history:' .. id
  local f = redis.call('HMGET', token, 'upstream', 'enabled', 'cause')
  if not f[1] then return 0 end

  -- Newest first: what is undone of the token, under '', and of its models, under
  -- their names; over is what an older entry can't touch any more.
  local undone, over, first = 0, {}, {}
  for _, entry in ipairs(redis.call('XREVRANGE', history, '+', string.format('%.0f', math.max(from, 0)))) do
    local at, e = tonumber(string.match(entry[1], '^%d+')), {}
    for i = 1, #entry[2], 2 do e[entry[2][i]] = entry[2][i + 1] end
    if e.kind == 'released' then break end
    local fits = e.class == class and at <= to
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
      try_again(id)
      redis.call('HSET', token, 'streak', e.streak, 'cause', e.cause)
      if e.phase ~= '' then redis.call('HSET', token, 'phase', e.phase) end
      redis.call('ZREM', pool .. 'cooling', id)
      if f[2] == '1' then enter(id, redis.call('HGET', pool .. 'clock', 'at') or '0') end
    end
    redis.call('XADD', history, 'MAXLEN', keep, '*', 'kind', 'undone', 'class', class, 'model', model, 'by', by)
    tell(id, 'undone', class, model, 'by', by)
  end
  stand(id)
  return undone
end
