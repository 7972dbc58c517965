-- What a token becomes by itself: it cools, as a whole or for one model, or is parked.
-- DYNKEY hash c1:{pool:NAME}:token:<id>
-- DYNKEY zset c1:{pool:NAME}:order token id by score
-- DYNKEY zset c1:{pool:NAME}:cooling token id by the time, in ms, at which it is back
-- DYNKEY stream c1:{pool:NAME}:history:<id> of the token
-- Needs pool, tell, standing, time, marks.

local function leading_number(text) return tonumber(string.match(text or '', '^%d+') or '0') end

-- Makes a token cool or parks it, and keeps what led to that, with what undoing it brings
-- back. It gets a new epoch: reports of requests that were under way say nothing new, and
-- unused leases are recalled. Returns what became of it, and for how many ms.
local function transit(t, v, streak, cool, channel, keep)
  local kind, till, model = 'cooling', now_ms + cool, v.model or ''
  local before = { phase = t.phase, streak = t.streak, cause = t.cause }
  if model ~= '' then
    if leading_number(redis.call('HGET', t.key, 'm:' .. model)) >= till then return '', 0 end
    if not mark(t.id, t.key, model, string.format('%.0f %d', till, streak), now_ms) then return '', 0 end
    t.freed = t.freed or t.due -- leases of the new epoch have room
  elseif cool > 0 then
    if leading_number(redis.call('HGET', t.key, 'cooling')) >= till then return '', 0 end
    redis.call('HSET', t.key, 'cooling', string.format('%.0f', till), 'rest', cool, 'streak', streak, 'cause', v.class, 'phase', '1')
    redis.call('HDEL', t.key, 'due')
    redis.call('ZREM', pool .. 'order', t.id)
    redis.call('ZADD', pool .. 'cooling', string.format('%.0f', till), t.id)
    t.phase, t.streak, t.cause, t.due = '1', streak, v.class, false
  else
    kind = 'parked'
    redis.call('HSET', t.key, 'streak', streak, 'cause', v.class, 'phase', 'parked')
    redis.call('HDEL', t.key, 'due', 'cooling')
    redis.call('ZREM', pool .. 'order', t.id)
    redis.call('ZREM', pool .. 'cooling', t.id)
    t.phase, t.streak, t.cause, t.due = 'parked', streak, v.class, false
  end
  stand(t.id)
  redis.call('XADD', pool .. 'history:' .. t.id, 'MAXLEN', keep, '*', 'kind', kind, 'class', v.class, 'model', model,
    'until', kind == 'cooling' and string.format('%.0f', till) or '', 'request', v.request or '', 'detail', v.detail or '',
    'replica', v.replica or '', 'phase', before.phase, 'streak', before.streak, 'cause', before.cause)
  tell(t.id, kind, v.class, model, 'until', kind == 'cooling' and string.format('%.0f', till) or '', 'request', v.request or '')
  t.epoch = string.format('%.0f', redis.call('HINCRBY', t.key, 'epoch', 1))
  redis.call('PUBLISH', channel, 'recall ' .. t.id .. ' ' .. t.epoch)
  return kind, cool
end
