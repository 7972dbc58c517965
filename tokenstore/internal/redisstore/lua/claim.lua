-- Stores the hash of the admin token unless one is stored that counts.
-- KEYS[1] string admin_token: hash and signature
-- ARGV[1] hash hex and signature
-- ARGV[2] channel where the change is told
-- ARGV[3] replaceable what may be stored and does not count; may be empty
-- RETURN {what is stored, 1 if it is the caller's new one, else 0}

local admin_token, hash, channel, replaceable = KEYS[1], ARGV[1], ARGV[2], ARGV[3]

local stored = redis.call('GET', admin_token)
if stored and stored ~= replaceable then return { stored, 0 } end
redis.call('SET', admin_token, hash)
redis.call('PUBLISH', channel, 'changed')
return { hash, 1 }
