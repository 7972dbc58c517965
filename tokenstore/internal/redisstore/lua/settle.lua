-- Ends leases of one pool, and does to each token what its report's verdict says, in one
-- step: who repeats a report finds the lease ended and the verdict carried out. A lease
-- that was ended before changes nothing. One that has expired frees no place any more; its
-- report may come late all the same. One from before its token's last change of epoch
-- frees its place and is counted, but says nothing of the token as it is now. A success ends a new
-- token's quarantine; one that is being probed it opens further, and at last ends the streak. It
-- also speaks against a cause of failure that tokens would share.
-- KEYS[1] hash clock: `guard` the ms until which there is something to speak against
-- DYNKEY zset c1:{pool:NAME}:inflight:<id>
-- DYNKEY zset c1:{pool:NAME}:leases `<token id> <lease id>` of all open leases
-- ARGV[1] channel where freed capacity and recalls are told
-- ARGV[2] calm_ms ms after its end for which a cause is not seen again
-- ARGV[3] window_ms ms within which failures are looked at together
-- ARGV[4] cause_ms ms after which a cause is forgotten of which nothing is heard
-- ARGV[5] keep entries of a history at most
-- ARGV[6...] per lease: token id, lease id, effect (unused, success, neutral, failure), last_error
--   text, model id, verdict JSON or '', group id or '', ms since the request's end
-- USE pool
-- USE tell
-- USE rows
-- USE standing
-- USE time
-- USE numbers
-- USE marks
-- USE tally
-- USE group
-- USE guard
-- USE transit
-- USE verdict
-- RETURN {1 or 0 whether there are wronged tokens, as far as somebody was judged, then per lease:
--   live (1 or 0), became ('', 'shared', 'cooling' or 'parked'), ms, streak, how many others of its
--   group alike}

local channel, calm_ms = ARGV[1], tonumber(ARGV[2])
local terms = { channel = channel, window_ms = tonumber(ARGV[3]), cause_ms = tonumber(ARGV[4]), keep = ARGV[5] }

-- How long after a lease has expired, in ms, its report counts.
local LATE = 3600000
-- The id of a lease that probes a model ends with this character.
local P = string.byte('p')

-- Ends a probe of a model: a success opens the token for it. Returns how often in
-- a row it has cooled for it.
local function end_probe(t, lease, effect)
  local f = redis.call('HGETALL', t.key)
  for i = 1, #f, 2 do
    local streak, holder = string.match(f[i + 1], '^%d+ (%d+) (.+)$')
    if string.sub(f[i], 1, 2) == 'm:' and holder == lease then
      if effect == 'success' then
        redis.call('HDEL', t.key, f[i])
      else
        redis.call('HSET', t.key, f[i], now .. ' ' .. streak)
      end
      return number(streak)
    end
  end
  return 0
end

-- Whether there is something of the pool to speak against.
local guarded = nil
local function guard()
  if guarded == nil then guarded = number(redis.call('HGET', KEYS[1], 'guard')) > now_ms end
  return guarded
end

local freed, judged, upstream, answer = false, false, nil, { 0 }
for i = 6, #ARGV, 8 do
  local id, lease, effect, verdict = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 5]
  local t = token_of(id)
  if not t.swept then
    redis.call('ZREMRANGEBYSCORE', pool .. 'inflight:' .. id, '-inf', string.format('%.0f', now_ms - LATE))
    t.swept = true
  end
  local live, became, ms, streak, others = redis.call('ZREM', pool .. 'inflight:' .. id, lease), '', 0, 0, 0
  redis.call('ZREM', pool .. 'leases', id .. ' ' .. lease)
  if live == 1 then t.stirred = true end
  if t.upstream and live == 1 then
    upstream = t.upstream
    t.group = join_group(id, t.group, ARGV[i + 6])
    count(t, effect, ARGV[i + 3], string.match(lease, '^(%d+)-') == t.epoch)
    local probe, of_model = string.byte(lease, -1) == P, 0
    if probe then of_model = end_probe(t, lease, effect) end
    if effect == 'success' then note_served(t, lease) end
    if effect == 'success' and guard() then freed = serves(id, lease, ARGV[i + 4], now_ms - number(ARGV[i + 7]), calm_ms) or freed end
    t.freed = t.freed or t.cap > 0 or t.opened or t.phase ~= '' or probe
    if verdict ~= '' then
      became, ms, streak, others = judge(t, lease, cjson.decode(verdict), of_model, terms)
      guarded = nil
    end
  end
  judged = judged or verdict ~= ''
  answer[#answer + 1] = live
  answer[#answer + 1] = became
  answer[#answer + 1] = ms
  answer[#answer + 1] = streak
  answer[#answer + 1] = others
end
for _, t in ipairs(tokens) do
  write(t)
  freed = freed or t.freed
  if t.stirred then stir(t.id) end
end
if freed then redis.call('PUBLISH', channel, 'freed ' .. upstream) end
if judged then answer[1] = redis.call('EXISTS', pool .. 'wronged') end
return answer
