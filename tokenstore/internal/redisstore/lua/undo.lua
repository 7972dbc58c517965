-- Undoes what a class of outcome did to tokens of one pool within a time.
-- KEYS[1] hash clock: `at` virtual time
-- ARGV[1] upstream name
-- ARGV[2] class of the outcome
-- ARGV[3] from ms
-- ARGV[4] to ms, included
-- ARGV[5] by whom
-- ARGV[6] keep entries of a history at most
-- ARGV[7] channel where new capacity is told
-- ARGV[8...] token ids
-- USE pool
-- USE tell
-- USE rows
-- USE standing
-- USE errands
-- USE undoable
-- USE undo
-- RETURN how many transitions were undone

local class, from, to, by, keep = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5], ARGV[6]
local undone = 0
for i = 8, #ARGV do undone = undone + undo(ARGV[i], class, from, to, by, keep) end
if undone > 0 then redis.call('PUBLISH', ARGV[7], 'freed ' .. ARGV[1]) end
return undone
