-- Keeps what was learned of a token's account, beside the token, so that it goes
-- and comes back with it.
-- KEYS[1] hash token
-- ARGV[1] account sealed
-- RETURN 1 kept, 0 there is no such token

local token, account = KEYS[1], ARGV[1]

if redis.call('EXISTS', token) == 0 then return 0 end
redis.call('HSET', token, 'account', account)
return 1
