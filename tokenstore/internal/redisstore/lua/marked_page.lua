-- Says for which models tokens rest that are usable otherwise: each cools for the model, or is
-- being probed for it.
-- KEYS[1] zset marked: id of each token that may have a mark, by when its last one ends, in ms
-- DYNKEY hash c1:{pool:NAME}:token:<id>
-- ARGV[1] lead_ms ms before its expiry from which a token counts as expired
-- ARGV[2] offset tokens before the page
-- ARGV[3] count tokens at most
-- USE pool
-- USE time
-- USE numbers
-- USE usable
-- USE marks
-- RETURN {how many tokens were looked at, then id, model, until_ms, cooling_model or probing_model
--   per mark}

local lead, offset, count = tonumber(ARGV[1]), ARGV[2], ARGV[3]

local page = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. whole(now_ms - MARK_KEPT), '+inf', 'LIMIT', offset, count)
local answer = { #page }
for _, id in ipairs(page) do
  if examine(id, now_ms + lead) then
    for _, mark in ipairs(marks_of(pool .. 'token:' .. id)) do
      if mark.till > now_ms then
        answer[#answer + 1] = id
        answer[#answer + 1] = string.sub(mark.field, 3)
        answer[#answer + 1] = whole(mark.till)
        answer[#answer + 1] = mark.held and 'probing_model' or 'cooling_model'
      end
    end
  end
end
return answer
