-- While tokens share a cause of failure, few requests a time find out whether it is over;
-- the rest are denied.
-- DYNKEY hash c1:{pool:NAME}:causes `<class> <model>` to state
-- Needs pool, time, numbers, demand.

-- How long, in ms, those that a cause lets out may take to fail, before it lets out twice
-- as many; and how many are all.
local HOLD, ALL = 2000, 64
-- No step lasts as long, in ms: one that does is of a clock that was ahead.
local LONGEST_STEP = 60000

-- The causes of the model that are being probed, by field.
local probed = {}

-- How many leases the causes let out, nil: any number. For none: the class, and until when
-- (ms). guarded_until is when there is nothing to look at any more.
local function let_out(guarded_until)
  local let, class, till = nil, nil, 0
  if number(guarded_until) <= now_ms then return let, class, till end
  local f = redis.call('HGETALL', pool .. 'causes')
  for i = 1, #f, 2 do
    local of, about = string.match(f[i], '^(%S+) (.*)$')
    local since, began, ends, failures, allow, left = string.match(f[i + 1], '^(%d+) (%d+) (%d+) (%d+) (%d+) (%d+)$')
    if about == demand.model and since then
      began, ends, allow, left = number(began), number(ends), number(allow), number(left)
      if ends <= now_ms or ends > now_ms + LONGEST_STEP then
        allow = math.max(allow * 2, 1)
        began, ends, left = now_ms, now_ms + HOLD, allow
      end
      probed[f[i]] = { since = since, began = began, ends = ends, failures = failures, allow = allow, left = left }
      let = math.min(let or left, left)
      if left == 0 and ends > till then class, till = of, ends end
    end
  end
  return let, class, till
end

-- Takes down that so many were let out.
local function took_out(n)
  for about, c in pairs(probed) do
    if c.allow > ALL then -- those of before have not failed: it is over
      redis.call('HDEL', pool .. 'causes', about)
    else
      redis.call('HSET', pool .. 'causes', about, c.since .. ' ' .. string.format('%.0f %.0f', c.began, c.ends) .. ' ' .. c.failures .. ' ' ..
        string.format('%d %d', c.allow, c.left - n))
    end
  end
end
