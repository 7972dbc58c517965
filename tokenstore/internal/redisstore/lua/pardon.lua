-- Undoes what was done to tokens that were blamed wrongly, since it is known that they
-- share a cause: those of one entry.
-- KEYS[1] list wronged: entries in JSON, as the guard writes them
-- ARGV[1] upstream name
-- ARGV[2] by whom
-- ARGV[3] keep entries of a history at most
-- ARGV[4] channel where new capacity is told
-- USE pool
-- USE tell
-- USE rows
-- USE standing
-- USE time
-- USE errands
-- USE undoable
-- USE undo
-- RETURN {} when there are none, else {class, model, from_ms, 1 or 0 whether no other cause of the
--   class was known, request id, tokens of all entries, undone, token id …}

local text = redis.call('LINDEX', KEYS[1], 0)
if not text then return {} end
local readable, entry = pcall(cjson.decode, text)
if not readable or type(entry) ~= 'table' then
  redis.call('LPOP', KEYS[1])
  return {}
end
local undone = 0
for _, id in ipairs(entry.tokens) do
  undone = undone + undo(id, entry.class, tonumber(entry.from), now_ms, ARGV[2], ARGV[3])
end
redis.call('LPOP', KEYS[1])
if undone > 0 then redis.call('PUBLISH', ARGV[4], 'freed ' .. ARGV[1]) end
return {
  entry.class, entry.model, entry.from, entry.news and 1 or 0, entry.request, entry.all, undone, unpack(entry.tokens),
}
