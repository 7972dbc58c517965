-- The marks of models on a token, `m:<model>`: that it cools for the model, or is to be
-- probed for it. Names come from callers, so a token has few marks, and none for long.
-- DYNKEY zset c1:{pool:NAME}:marked id of each token that may have a mark, by when its last one
--   ends, in ms
-- Needs pool.

-- Marks of a token at most, bytes of a model's name, and how long after its end a mark is
-- kept, in ms.
local MARKS, NAME, MARK_KEPT = 32, 200, 3600000

local function marks_of(token)
  local marks, f = {}, redis.call('HGETALL', token)
  for i = 1, #f, 2 do
    if string.sub(f[i], 1, 2) == 'm:' then
      marks[#marks + 1] = {
        field = f[i], till = tonumber(string.match(f[i + 1], '^%d+') or '0'),
        held = string.match(f[i + 1], '^%d+ %d+ .') ~= nil, -- a probe is under way
      }
    end
  end
  return marks
end

-- Forgets all marks of a token.
local function clear_marks(token)
  for _, mark in ipairs(marks_of(token)) do redis.call('HDEL', token, mark.field) end
end

-- Takes down that a token has a mark. Who reads it looks at the token: the mark may be gone.
local function note_mark(id, till, now)
  local marked = pool .. 'marked'
  redis.call('ZREMRANGEBYSCORE', marked, '-inf', string.format('%.0f', now - MARK_KEPT))
  till = math.max(till, tonumber(redis.call('ZSCORE', marked, id) or '0'))
  redis.call('ZADD', marked, string.format('%.0f', till), id)
  redis.call('PEXPIREAT', marked, string.format('%.0f', math.max(till, now) + 2 * MARK_KEPT))
end

-- Marks a token for a model; false where the name is none that is kept.
local function mark(id, token, model, text, now)
  if #model > NAME then return false end
  note_mark(id, tonumber(string.match(text, '^%d+')), now)
  local kept = {}
  for _, each in ipairs(marks_of(token)) do
    if each.till + MARK_KEPT <= now then
      redis.call('HDEL', token, each.field)
    elseif each.field ~= 'm:' .. model then
      kept[#kept + 1] = each
    end
  end
  table.sort(kept, function(a, b) return a.till > b.till end)
  for i = MARKS, #kept do redis.call('HDEL', token, kept[i].field) end
  redis.call('HSET', token, 'm:' .. model, text)
  return true
end
