-- What a report does to its token beyond the counters: it may cool, as a whole or for one
-- model, or be parked, unless tokens share a cause. The verdict says for how long, by how
-- often in a row it has cooled; how often that is, is known here.
-- DYNKEY stream c1:{pool:NAME}:history:<id> of the token
-- DYNKEY set c1:{pool:NAME}:group:<group> token ids
-- Needs pool, standing, time, numbers, marks, tally, guard.

local function leading_number(text) return tonumber(string.match(text or '', '^%d+') or '0') end

-- Makes a token cool or parks it, and keeps what led to that, with what undoing it brings
-- back. It gets a new epoch: reports of requests that were under way say nothing new, and
-- unused leases are recalled. Returns what became of it, and for how many ms.
local function transit(t, v, streak, cool, channel, keep)
  local kind, till, model = 'cooling', now_ms + cool, v.model or ''
  local before = { phase = t.phase, streak = t.streak, cause = t.cause }
  if model ~= '' then
    if leading_number(redis.call('HGET', t.key, 'm:' .. model)) >= till then return '', 0 end
    if not mark(t.key, model, string.format('%.0f %d', till, streak), now_ms) then return '', 0 end
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
  t.epoch = string.format('%.0f', redis.call('HINCRBY', t.key, 'epoch', 1))
  redis.call('PUBLISH', channel, 'recall ' .. t.id .. ' ' .. t.epoch)
  return kind, cool
end

-- Does to the others of a token's group what was done to it: the limit is the group's.
-- Returns to how many. One that is switched off or parked is left alone.
local function share(t, v, streak, cool, terms)
  if t.group == '' then return 0 end
  local others, mine = 0, v.detail
  v.detail = 'with its group, as token ' .. t.id .. ': ' .. (mine or '')
  for _, id in ipairs(redis.call('SMEMBERS', pool .. 'group:' .. t.group)) do
    local other = id ~= t.id and token_of(id)
    if other and not other.upstream then -- deleted by a tokenstore of before there were groups
      redis.call('SREM', pool .. 'group:' .. t.group, id)
    elseif other and other.phase ~= 'parked' and redis.call('HGET', other.key, 'enabled') == '1' then
      write(other) -- its own reports come first
      if transit(other, v, streak, cool, terms.channel, terms.keep) ~= '' then others = others + 1 end
    end
  end
  v.detail = mine
  return others
end

-- Carries a report's verdict out. of_model is how often in a row the token has cooled for
-- the model of a probe that has ended. Returns what became of the token ('', 'shared',
-- 'cooling' or 'parked'), for how many ms, how often in a row that is, and of how many others
-- of its group the same.
local function judge(t, lease, v, of_model, terms)
  local asked = v.asked or ''
  if v.shareable and #asked <= NAME and witness(t.id, lease, v.class, asked, v.request or '', terms.window_ms, terms.cause_ms) then
    return 'shared', 0, 0, 0
  end
  if not v.cools or string.match(lease, '^(%d+)-') ~= t.epoch then return '', 0, 0, 0 end
  if is_shared(v.class, asked) then return 'shared', 0, 0, 0 end
  write(t)
  local streak = of_model
  if (v.model or '') == '' then streak = t.cause == v.class and t.streak or 0 end
  local cool = v.cools[math.min(streak + 1, #v.cools)]
  local became, ms = transit(t, v, streak + 1, cool, terms.channel, terms.keep)
  local others = v.wide and became ~= '' and share(t, v, streak + 1, cool, terms) or 0
  return became, ms, streak + 1, others
end
