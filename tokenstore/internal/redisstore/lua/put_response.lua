-- Keeps an answer, and makes room for it: what all take together never exceeds the bound.
-- KEYS[1] zset index: digest of each answer by the ms at which it was kept
-- KEYS[2] hash sizes: digest to bytes that are counted for it
-- KEYS[3] string bytes that all take
-- KEYS[4] string the answer's
-- ARGV[1] prefix key prefix of answers
-- ARGV[2] age ms that an answer is kept
-- ARGV[3] room bytes that all may take
-- ARGV[4] most answers that go at a time
-- ARGV[5] digest of the answer's id and owner
-- ARGV[6] answer sealed
-- USE time
-- USE responses
-- RETURN 1, or 0 when there is not room enough yet

local room, most, digest, answer = tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5], ARGV[6]

set_right(most)
if redis.call('HGET', sizes, digest) then forget(digest) end
local size = #answer + OVERHEAD
if not make_room(room - size, most) then
  count_up()
  return 0
end
redis.call('SET', KEYS[4], answer, 'PX', age)
redis.call('ZADD', index, now, digest)
redis.call('HSET', sizes, digest, size)
used = used + size
count_up()
return 1
