-- Keeps what was learned of a token's account, beside the token, so that it goes
-- and comes back with it. The question for it is answered: when the next one is due depends
-- on whether the token is in use.
-- KEYS[1] hash token
-- KEYS[2] zset questions: token id by when its account is to be asked for, in ms
-- ARGV[1] account sealed
-- ARGV[2] id token id
-- ARGV[3] resets ms at which the quota begins anew; 0: not known
-- ARGV[4] often_ms ms until the next question about a token in use
-- ARGV[5] seldom_ms ms until the next one about any other
-- ARGV[6] used_ms ms after its last request for which a token is in use
-- USE pool
-- USE time
-- USE numbers
-- RETURN 1 kept, 0 there is no such token

local token, questions = KEYS[1], KEYS[2]
local account, id, resets = ARGV[1], ARGV[2], ARGV[3]

if redis.call('EXISTS', token) == 0 then return 0 end
local f = redis.call('HMGET', token, 'last_used', 'resets')
redis.call('HSET', token, 'account', account)
redis.call('HDEL', token, 'asking')
if resets ~= (f[2] or '0') then
  if resets == '0' then redis.call('HDEL', token, 'resets') else redis.call('HSET', token, 'resets', resets) end
  stir(id)
end
local pause = tonumber(ARGV[5])
if number(f[1]) + tonumber(ARGV[6]) > now_ms then pause = tonumber(ARGV[4]) end
redis.call('ZADD', questions, 'XX', whole(now_ms + pause), id)
return 1
