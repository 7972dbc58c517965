-- Ends a claim of a token: takes into the directory what has become of it, and frees
-- what it claimed or had and has not any more. What other claims want for the token
-- stays its own. News that is older than what is known changes nothing.
-- KEYS[1] hash directory: token id to `<ver> <upstream> <fingerprint> <alias>`
-- KEYS[2] hash claims: token id to lines `<claim> <ms> <fingerprint> <alias>`
-- KEYS[3] hash fingerprints: `<upstream> <fingerprint>` to token id
-- KEYS[4] hash aliases: alias to token id
-- KEYS[5] zset created: all token ids by creation, in µs
-- KEYS[6] hash sizes: upstream to number of ids in created
-- KEYS[7] zset discarded: ids of deleted tokens by the ms at which they are forgotten
-- ARGV[1] id token id
-- ARGV[2] claim id
-- ARGV[3] became there, gone or same (as before the claim)
-- ARGV[4] version of the token
-- ARGV[5] fingerprint hex
-- ARGV[6] alias text, may be empty
-- ARGV[7] created µs; 0: its place stays
-- ARGV[8] keep_ms ms for which it is known where a token that is gone was
-- RETURN 1, 0 the token is not known

local directory, claims, fingerprints, aliases = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local all, sizes, discarded = KEYS[5], KEYS[6], KEYS[7]
local id, claim, became, version, fingerprint, alias = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local created, keep = ARGV[7], tonumber(ARGV[8])

-- Deleted tokens that are forgotten in one go.
local SWEEP = 100

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

for _, old in ipairs(redis.call('ZRANGEBYSCORE', discarded, '-inf', now, 'LIMIT', 0, SWEEP)) do
  if redis.call('HEXISTS', claims, old) == 0 then -- nobody is restoring it
    if not redis.call('ZSCORE', all, old) then redis.call('HDEL', directory, old) end
    redis.call('ZREM', discarded, old)
  end
end

-- What is free when nothing wants it any more, and what is wanted.
local loose, wanted = {}, {}
local others = ''
for line in string.gmatch(redis.call('HGET', claims, id) or '', '[^\n]+') do
  local of, f, a = string.match(line, '^(%S+) %d+ (%S*) (.*)$')
  if of == claim then
    loose[#loose + 1] = { f, a }
  else
    wanted[#wanted + 1] = { f, a }
    others = others .. line .. '\n'
  end
end
if others == '' then redis.call('HDEL', claims, id) else redis.call('HSET', claims, id, others) end

local entry = redis.call('HGET', directory, id)
if not entry then return 0 end
local known, upstream, f, a = string.match(entry, '^(%d+) (%S+) (%S*) (.*)$')
loose[#loose + 1] = { f, a }
local current = became ~= 'same' and tonumber(version) >= tonumber(known)
if current and became == 'there' then
  redis.call('HSET', directory, id, version .. ' ' .. upstream .. ' ' .. fingerprint .. ' ' .. alias)
  redis.call('HSET', fingerprints, upstream .. ' ' .. fingerprint, id)
  if alias ~= '' then redis.call('HSET', aliases, alias, id) end
  if created ~= '0' and redis.call('ZADD', all, created, id) == 1 then redis.call('HINCRBY', sizes, upstream, 1) end
  redis.call('ZREM', discarded, id)
  f, a = fingerprint, alias
elseif current then
  if redis.call('ZREM', all, id) == 1 and redis.call('HINCRBY', sizes, upstream, -1) <= 0 then
    redis.call('HDEL', sizes, upstream)
  end
  if keep > 0 then
    redis.call('HSET', directory, id, version .. ' ' .. upstream .. '  ')
    redis.call('ZADD', discarded, now + keep, id)
  elseif others == '' then
    redis.call('HDEL', directory, id)
  end
  f, a = '', ''
end
wanted[#wanted + 1] = { f, a }

local function free(index, place, prefix)
  for _, each in ipairs(loose) do
    local mine = each[place] ~= '' and redis.call('HGET', index, prefix .. each[place]) == id
    for _, other in ipairs(wanted) do mine = mine and other[place] ~= each[place] end
    if mine then redis.call('HDEL', index, prefix .. each[place]) end
  end
end
free(fingerprints, 1, upstream .. ' ')
free(aliases, 2, '')
return 1
