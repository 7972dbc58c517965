-- Finds what a class of outcome did to a token within a time and still does. Where something else
-- has happened to it since, that is none of it. Returns how many transitions there are, the first
-- of the token, under '', and of its models, under their names, and whether an admin has enabled
-- the token.
-- DYNKEY hash c1:{pool:NAME}:token:<id>
-- DYNKEY stream c1:{pool:NAME}:history:<id> of the token
-- Needs pool.
local function undoable(id, class, from, to)
  local f = redis.call('HMGET', pool .. 'token:' .. id, 'upstream', 'enabled', 'cause')
  if not f[1] then return 0 end

  -- Newest first: over is what an older entry can't touch any more.
  local found, over, first = 0, {}, {}
  for _, entry in ipairs(redis.call('XREVRANGE', pool .. 'history:' .. id, '+', string.format('%.0f', math.max(from, 0)))) do
    local at, e = tonumber(string.match(entry[1], '^%d+')), {}
    for i = 1, #entry[2], 2 do e[entry[2][i]] = entry[2][i + 1] end
    if e.kind == 'released' then break end
    local fits = e.class == class and at <= to
    if e.kind == 'undone' or over[e.model] or not fits then
      over[e.model] = true
    else
      e.at = at
      found, first[e.model] = found + 1, e
    end
  end
  -- An admin who has switched the token off and on has undone it already.
  if first[''] and f[3] ~= class then found, first[''] = found - 1, nil end
  return found, first, f[2] == '1'
end
