-- Adds a token, that the directory has a claim of, to its pool. It is in quarantine until
-- a request with it has succeeded.
-- KEYS[1] zset ids: the pool's token ids by creation, in µs
-- KEYS[2] hash token: the new one
-- KEYS[3] hash names: alias to token id
-- KEYS[4] hash clock: `at` virtual time
-- KEYS[5] zset lapsed: claims that were given up
-- ARGV[1] id token id
-- ARGV[2] upstream name
-- ARGV[3] alias text, may be empty
-- ARGV[4] fingerprint hex
-- ARGV[5] enabled 1 or 0
-- ARGV[6] cap leases at a time
-- ARGV[7] weight number
-- ARGV[8] expires_ms ms
-- ARGV[9] rec record
-- ARGV[10] channel where new capacity is told
-- ARGV[11] created µs
-- ARGV[12] claim id
-- ARGV[13] renewable 1 or 0: access tokens are had anew
-- ARGV[14] access sealed access token; empty: there is none yet
-- ARGV[15] refresh sealed refresh token; empty: it has none
-- ARGV[16] shift_ms ms by which expires of one that is renewed lies behind its access token's end
-- ARGV[17] disabled_until ms; 0: it is enabled, or only an admin enables it
-- USE pool
-- USE rows
-- USE standing
-- USE time
-- USE numbers
-- USE errands
-- RETURN {'created'}
-- RETURN {'lapsed'}: the claim was given up

local ids, token, names, clock, lapsed = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local id, upstream, alias, fingerprint = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local channel, created, claim = ARGV[10], ARGV[11], ARGV[12]

if redis.call('ZSCORE', lapsed, claim) then return { 'lapsed' } end
redis.call('ZADD', ids, created, id)
redis.call('HSET', token, 'rec', ARGV[9], 'ver', 1, 'epoch', 1, 'upstream', upstream, 'alias', alias,
  'fingerprint', fingerprint, 'created', created, 'enabled', ARGV[5], 'cap', ARGV[6], 'weight', ARGV[7],
  'expires', ARGV[8], 'phase', 'new')
if alias ~= '' then redis.call('HSET', names, alias, id) end
if ARGV[17] ~= '0' then redis.call('HSET', token, 'disabled_until', ARGV[17]) end

if ARGV[13] == '1' then
  local access, refresh, ends = ARGV[14], ARGV[15], number(ARGV[8])
  redis.call('HSET', token, 'renewable', 1, 'grants', 0)
  if access == '' then -- as one that has expired
    redis.call('HSET', token, 'expires', 1, 'refresh_at', now)
  else
    if ends == 0 then ends = now_ms + UNTOLD end
    redis.call('HSET', token, 'expires', whole(ends + ARGV[16]), 'refresh_at', whole(refresh_at(now_ms, ends)),
      'access', access, 'access_ends', whole(ends))
  end
  if refresh ~= '' then redis.call('HSET', token, 'refresh', refresh) end
end
plan_errands(id)

if ARGV[5] == '1' then enter(id, redis.call('HGET', clock, 'at') or '0') end
stand(id)
redis.call('PUBLISH', channel, 'freed ' .. upstream)
return { 'created' }
