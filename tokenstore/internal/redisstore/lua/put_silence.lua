-- Adds a silence, and drops those that have ended.
-- KEYS[1] zset silences: records by the ms at which they end
-- ARGV[1] rec record
-- ARGV[2] until ms
-- ARGV[3] most silences that there may be
-- RETURN 1; 0 where there are as many as there may be
-- USE time

local silences, rec, ends, most = KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[3])
local call = redis.call

call('ZREMRANGEBYSCORE', silences, '-inf', now)
if call('ZCARD', silences) >= most then return 0 end
call('ZADD', silences, ends, rec)
return 1
