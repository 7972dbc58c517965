-- Forgets the log entries that are too many or too old, and their prompts with
-- them; all prompts where none are to be kept.
-- KEYS[1] stream entries
-- KEYS[2] stream prompts: ids as in entries
-- ARGV[1] count entries kept
-- ARGV[2] age_ms ms that entries are kept; 0: for ever
-- ARGV[3] keep_prompts 1 or 0
-- RETURN number of entries that went

local entries, prompts = KEYS[1], KEYS[2]
local count, age, keep_prompts = ARGV[1], tonumber(ARGV[2]), ARGV[3] == '1'
local call = redis.call

local gone = call('XTRIM', entries, 'MAXLEN', count)
if age > 0 then
  local time = call('TIME')
  local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
  gone = gone + call('XTRIM', entries, 'MINID', string.format('%.0f', math.max(now - age, 0)))
end
local oldest = keep_prompts and call('XRANGE', entries, '-', '+', 'COUNT', 1)[1]
if oldest then
  call('XTRIM', prompts, 'MINID', oldest[1])
else
  call('UNLINK', prompts)
end
return gone
