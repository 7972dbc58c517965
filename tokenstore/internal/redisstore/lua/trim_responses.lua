-- Forgets kept answers that are too old, and the oldest of those that are too many.
-- KEYS[1] zset index: digest of each answer by the ms at which it was kept
-- KEYS[2] hash sizes: digest to bytes that are counted for it
-- KEYS[3] string bytes that all take
-- ARGV[1] prefix key prefix of answers
-- ARGV[2] age ms that an answer is kept
-- ARGV[3] goal bytes that all may take then
-- ARGV[4] most answers that go at a time
-- USE time
-- USE responses
-- RETURN 1, or 0 when there are more to forget

local goal, most = tonumber(ARGV[3]), tonumber(ARGV[4])

if redis.call('EXISTS', index) == 0 then return 1 end
set_right(most)
local done = make_room(goal, most)
count_up()
return done and 1 or 0
