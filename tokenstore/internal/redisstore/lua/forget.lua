-- Forgets a deleted token before its time, unless it has been restored.
-- KEYS[1] hash trash: the token as it was
-- KEYS[2] stream history of the token
-- RETURN 1 forgotten, 0 it is not in the trash

if redis.call('DEL', KEYS[1]) == 0 then return 0 end
redis.call('DEL', KEYS[2])
return 1
