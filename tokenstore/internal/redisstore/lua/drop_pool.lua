-- Forgets the rotation of a pool that has no token.
-- KEYS[1] zset ids: the pool's token ids
-- KEYS[2] zset order: token id by score
-- KEYS[3] zset cooling: token id by the time, in ms, at which it is back
-- KEYS[4] hash clock: `at` virtual time
-- KEYS[5] hash window: what was seen of the upstream since the first failure
-- KEYS[6] hash causes that tokens share: `<class> <model>` to state
-- KEYS[7] hash holders: replica to when it was heard
-- RETURN 1 done, 0 it has tokens

local ids, order, cooling, clock, window, causes, holders = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7]

if redis.call('EXISTS', ids) == 1 then return 0 end
redis.call('DEL', order, cooling, clock, window, causes, holders)
return 1
