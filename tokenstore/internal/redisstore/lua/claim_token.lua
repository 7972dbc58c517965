-- Claims for a token what no other may have, before its pool is written. What is
-- claimed is the token's until settle_token says what became of it.
-- KEYS[1] hash upstreams: name to record
-- KEYS[2] hash directory: token id to `<ver> <upstream> <fingerprint> <alias>`
-- KEYS[3] hash claims: token id to lines `<claim> <ms> <fingerprint> <alias>`
-- KEYS[4] hash fingerprints: `<upstream> <fingerprint>` to token id
-- KEYS[5] hash aliases: alias to token id
-- KEYS[6] zset created: all token ids by creation, in µs
-- KEYS[7] hash sizes: upstream to number of ids in created
-- ARGV[1] id token id
-- ARGV[2] upstream name
-- ARGV[3] fingerprint hex; empty: as it is
-- ARGV[4] alias text; empty: none, or as it is
-- ARGV[5] claim id
-- ARGV[6] created µs wanted, of a token that comes or comes back, 0: now; empty: it is there
-- RETURN {'claimed', created µs or ''}
-- RETURN {'known', id}: the upstream has the token already
-- RETURN {'alias', id}: that token has the alias
-- RETURN {'upstream'}: there is no such upstream

local upstreams, directory, claims, fingerprints, aliases = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local all, sizes = KEYS[6], KEYS[7]
local id, upstream, fingerprint, alias, claim, created = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]

if created ~= '' and redis.call('HEXISTS', upstreams, upstream) == 0 then return { 'upstream' } end
local known = fingerprint ~= '' and redis.call('HGET', fingerprints, upstream .. ' ' .. fingerprint)
if known and known ~= id then return { 'known', known } end
local holder = alias ~= '' and redis.call('HGET', aliases, alias)
if holder and holder ~= id then return { 'alias', holder } end

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

-- Creation times are unique, and new ones ascend, so that a list can be paged by them.
local function place()
  if created ~= '0' then
    while redis.call('ZCOUNT', all, created, created) > 0 do
      created = string.format('%.0f', tonumber(created) + 1)
    end
    return
  end
  local at = tonumber(time[1]) * 1000000 + tonumber(time[2])
  local newest = redis.call('ZRANGE', all, -1, -1, 'WITHSCORES')[2]
  if newest then at = math.max(at, tonumber(newest) + 1) end
  created = string.format('%.0f', at)
end

if created ~= '' then
  place()
  if redis.call('ZADD', all, created, id) == 1 then redis.call('HINCRBY', sizes, upstream, 1) end
  redis.call('HSETNX', directory, id, '0 ' .. upstream .. '  ')
end
if fingerprint ~= '' then redis.call('HSET', fingerprints, upstream .. ' ' .. fingerprint, id) end
if alias ~= '' then redis.call('HSET', aliases, alias, id) end
local lines = redis.call('HGET', claims, id) or ''
redis.call('HSET', claims, id, lines .. claim .. ' ' .. string.format('%.0f', now) .. ' ' .. fingerprint .. ' ' .. alias .. '\n')
return { 'claimed', created }
