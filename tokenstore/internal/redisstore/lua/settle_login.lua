-- Ends a login, or a poll in which the person had not logged in yet: then the next one is
-- due after a pause that grows.
-- KEYS[1] hash login
-- KEYS[2] zset polls: login id by when its next poll is due, in ms
-- ARGV[1] id of the login
-- ARGV[2] epoch of the poll; empty: whatever is in hand
-- ARGV[3] state that it is in now: that of one on its way, or one that is over
-- ARGV[4] detail why, may be empty
-- ARGV[5] token id of the one that it has made or renewed; empty: as it is
-- ARGV[6] counts 1 or 0: the poll counts towards how often it is polled in vain
-- ARGV[7] least_ms ms until the next poll at least
-- ARGV[8] most polls in vain
-- USE pool
-- USE time
-- USE numbers
-- USE login
-- RETURN {'settled'}
-- RETURN {'stale'}: it is over, or the poll is another's by now
-- RETURN {'gone'}: there is no such login

local login, polls = KEYS[1], KEYS[2]
local id, epoch, state, detail, counts = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[6] == '1'

-- Bounds of the pause between polls and by how much each is longer, in ms; and what it is
-- after so many in a row that found nothing out.
local FIRST, GROWS, LONGEST, PATIENCE, SLOW = 1000, 1.2, 10000, 3, 30000

local f = redis.call('HMGET', login, 'state', 'polling', 'polls', 'stumbles')
if not f[1] then return { 'gone' } end
if f[1] ~= PENDING or epoch ~= '' and f[2] ~= epoch then return { 'stale' } end
if ARGV[5] ~= '' then redis.call('HSET', login, 'token', ARGV[5]) end
if state ~= PENDING then
  end_login(id, state, detail)
  return { 'settled' }
end

local tried, stumbles = number(f[3]), counts and 0 or number(f[4]) + 1
if counts then tried = tried + 1 end
if tried >= tonumber(ARGV[8]) then
  end_login(id, EXPIRED, 'nobody has logged in after ' .. tried .. ' polls')
  return { 'settled' }
end
local pause = math.min(FIRST * GROWS ^ math.min(tried, 50), LONGEST)
if stumbles > PATIENCE then pause = SLOW end
redis.call('HDEL', login, 'polling')
redis.call('HSET', login, 'polls', tried, 'stumbles', stumbles, 'detail', detail)
redis.call('ZADD', polls, whole(now_ms + math.max(pause, tonumber(ARGV[7]))), id)
return { 'settled' }
