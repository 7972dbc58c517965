-- Begins a login.
-- KEYS[1] zset logins: ids by ms of creation
-- KEYS[2] zset polls: ids of those that wait for a person by when the next poll is due, in ms
-- DYNKEY hash c1:{pool}:login:<id>
-- ARGV[1] id of the login
-- ARGV[2] most logins that wait at a time
-- ARGV[3] life_ms ms until it expires
-- ARGV[4] kept_ms ms for which it is known
-- ARGV[5] upstream name
-- ARGV[6] alias of the token that it makes, may be empty
-- ARGV[7] token id of the one that it renews, or empty
-- ARGV[8] url where the person logs in
-- ARGV[9] uuid of the attempt
-- ARGV[10] verifier sealed
-- ARGV[11] proxy sealed, may be empty
-- USE pool
-- USE time
-- USE numbers
-- USE login
-- RETURN {'begun'}
-- RETURN {'many'}: too many wait

local logins, polls = KEYS[1], KEYS[2]
local id, kept = ARGV[1], tonumber(ARGV[4])
local login = pool .. 'login:' .. id

sweep_logins()
redis.call('ZREMRANGEBYSCORE', logins, '-inf', whole(now_ms - kept))
if redis.call('ZCARD', polls) >= tonumber(ARGV[2]) then return { 'many' } end
redis.call('HSET', login, 'upstream', ARGV[5], 'alias', ARGV[6], 'token', ARGV[7], 'url', ARGV[8], 'uuid', ARGV[9],
  'verifier', ARGV[10], 'proxy', ARGV[11], 'state', PENDING, 'created', now, 'expires', whole(now_ms + ARGV[3]))
redis.call('PEXPIRE', login, kept)
redis.call('ZADD', logins, now, id)
redis.call('ZADD', polls, now, id)
return { 'begun' }
