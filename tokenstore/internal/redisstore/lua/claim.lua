-- Stores the hash of the admin token unless one is stored.
-- KEYS[1] string admin_token: hash
-- ARGV[1] hash hex
-- ARGV[2] channel where the change is told
-- RETURN {hash that is stored, 1 if it is the caller's new one, else 0}

local admin_token, hash, channel = KEYS[1], ARGV[1], ARGV[2]

local stored = redis.call('GET', admin_token)
if stored then return { stored, 0 } end
redis.call('SET', admin_token, hash)
redis.call('PUBLISH', channel, 'changed')
return { hash, 1 }
