-- Forgets the rotation of a pool that has no token.
-- KEYS[1] zset ids: the pool's token ids
-- DYNKEY zset c1:{pool:NAME}:cooling
-- DYNKEY hash c1:{pool:NAME}:clock
-- DYNKEY hash c1:{pool:NAME}:window
-- DYNKEY hash c1:{pool:NAME}:causes
-- DYNKEY list c1:{pool:NAME}:wronged
-- DYNKEY hash c1:{pool:NAME}:holders
-- DYNKEY stream c1:{pool:NAME}:events
-- USE pool
-- USE numbers
-- USE ranks
-- RETURN 1 done, 0 it has tokens

if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
clear_ranks()
for _, name in ipairs({
  'order', 'cooling', 'clock', 'window', 'causes', 'wronged', 'holders', 'held', 'leases', 'stirred', 'standing', 'rests', 'ends', 'expired', 'names', 'ring', 'refreshes', 'questions',
  'accesses', 'unlogged', 'marked', 'acknowledged', 'events', 'disabled_until', 'rows', 'counts',
}) do
  redis.call('DEL', pool .. name)
end
return 1
