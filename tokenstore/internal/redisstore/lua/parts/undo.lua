-- Undoes what a class of outcome did to a token within a time: the token, and what
-- it cools for of models, is as it was before the first of it. Where something else
-- has happened to it since, that stays. Returns how many transitions were undone.
-- DYNKEY hash c1:{pool:NAME}:token:<id>
-- DYNKEY zset c1:{pool:NAME}:order token id by score
-- DYNKEY zset c1:{pool:NAME}:cooling token id by the time, in ms, at which it is back
-- DYNKEY stream c1:{pool:NAME}:history:<id> of the token
-- DYNKEY hash c1:{pool:NAME}:clock `at` virtual time
-- Needs pool, tell, standing, errands, undoable.
local function undo(id, class, from, to, by, keep)
  local token, history = pool .. 'token:' .. id, pool .. 'history:' .. id
  local undone, first, enabled = undoable(id, class, from, to)
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
      if enabled then enter(id, redis.call('HGET', pool .. 'clock', 'at') or '0') end
    end
    redis.call('XADD', history, 'MAXLEN', keep, '*', 'kind', 'undone', 'class', class, 'model', model, 'by', by)
    tell(id, 'undone', class, model, 'by', by)
  end
  stand(id)
  return undone
end
