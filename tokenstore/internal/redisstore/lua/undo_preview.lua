-- Tells what would be undone of what a class of outcome did to tokens of one pool within a time.
-- KEYS[1] hash clock: says which pool
-- ARGV[1] class of the outcome
-- ARGV[2] from ms
-- ARGV[3] to ms, included
-- ARGV[4...] token ids
-- USE pool
-- USE undoable
-- RETURN of each token of which something would: id, how many transitions, ms of the first, 1 or 0
--   whether the token itself comes back, how many models do

local class, from, to = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local found = {}
for i = 4, #ARGV do
  local n, first = undoable(ARGV[i], class, from, to)
  if n > 0 then
    local since, models = nil, 0
    for model, e in pairs(first) do
      since = math.min(since or e.at, e.at)
      if model ~= '' then models = models + 1 end
    end
    for _, value in ipairs({ ARGV[i], tostring(n), string.format('%.0f', since), first[''] and '1' or '0', tostring(models) }) do
      found[#found + 1] = value
    end
  end
end
return found
