-- Counts requests that a replica served from its reserve of one pool, and does to each
-- token what its report's verdict says, in one step. A report that has been counted
-- changes nothing. One from before its token's last change of epoch is counted, but says
-- nothing of the token as it is now.
-- KEYS[1] string reconciled: the replica's highest number so far
-- ARGV[1] ttl_ms ms that the number is remembered
-- ARGV[2] channel where freed capacity and recalls are told
-- ARGV[3] window_ms ms within which failures are looked at together
-- ARGV[4] cause_ms ms after which a cause is forgotten of which nothing is heard
-- ARGV[5] keep entries of a history at most
-- ARGV[6...] per report, ascending: number, token id, lease id, effect (unused, success, neutral,
--   failure), last_error text, verdict JSON or '', group id or ''
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
-- RETURN {1 or 0 whether there are wronged tokens, as far as somebody was judged, then per report:
--   counted now (1 or 0), became ('', 'shared', 'cooling' or 'parked'), ms, streak, how many others
--   of its group alike}

local ttl_ms = ARGV[1]
local terms = { channel = ARGV[2], window_ms = tonumber(ARGV[3]), cause_ms = tonumber(ARGV[4]), keep = ARGV[5] }

local highest, judged, answer = number(redis.call('GET', KEYS[1])), false, { 0 }
for i = 6, #ARGV, 7 do
  local n, t, lease, verdict = tonumber(ARGV[i]), token_of(ARGV[i + 1]), ARGV[i + 2], ARGV[i + 5]
  local counted, became, ms, streak, others = 0, '', 0, 0, 0
  if n > highest then
    highest = n
    if t.upstream then
      counted = 1
      t.group = join_group(t.id, t.group, ARGV[i + 6])
      local effect = ARGV[i + 3]
      if effect ~= 'unused' then count(t, effect, ARGV[i + 4], string.match(lease, '^(%d+)-') == t.epoch) end
      if verdict ~= '' then became, ms, streak, others = judge(t, lease, cjson.decode(verdict), 0, terms) end
    end
  end
  judged = judged or verdict ~= ''
  answer[#answer + 1] = counted
  answer[#answer + 1] = became
  answer[#answer + 1] = ms
  answer[#answer + 1] = streak
  answer[#answer + 1] = others
end
local freed = nil
for _, t in ipairs(tokens) do
  write(t)
  if t.freed then freed = t.upstream end
end
if freed then redis.call('PUBLISH', terms.channel, 'freed ' .. freed) end
redis.call('SET', KEYS[1], string.format('%.0f', highest), 'PX', ttl_ms)
if judged then answer[1] = redis.call('EXISTS', pool .. 'wronged') end
return answer
