-- Claims the right to answer an idempotency key, or prolongs it, or tells why not.
-- KEYS[1] hash the key's claim or answer
-- ARGV[1] request hash in hex
-- ARGV[2] owner text
-- ARGV[3] hold ms that a claim lasts
-- RETURN state (owned, running, answered, other) and the sealed answer, or ''

local f = redis.call('HMGET', KEYS[1], 'request', 'owner', 'answer')
if f[1] and f[1] ~= ARGV[1] then
  return {'other', ''}
end
if f[3] then
  return {'answered', f[3]}
end
if f[2] and f[2] ~= ARGV[2] then
  return {'running', ''}
end
redis.call('HSET', KEYS[1], 'request', ARGV[1], 'owner', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return {'owned', ''}
