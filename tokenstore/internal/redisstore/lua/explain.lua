-- Says which token an acquire would pick now. Nothing is changed.
-- KEYS[1] hash clock: `at` virtual time, `guard` the ms until which causes are to be looked at
-- ARGV[1] demand JSON of leaseDemand
-- USE pool
-- USE time
-- USE numbers
-- USE demand
-- USE admit
-- USE breaker
-- USE ranks
-- USE rows
-- USE standing
-- USE orders
-- USE affinity
-- USE pick
-- RETURN {now_ms, id or '', class of the cause that tokens share or '', until_ms}

local virtual = redis.call('HMGET', KEYS[1], 'at', 'guard')
at = number(virtual[1])
local let, class, till = let_out(virtual[2])
if let == 0 then return { now_ms, '', class or '', till } end

local extra = woken()
for _, id in ipairs((strays('SRANDMEMBER'))) do
  local score = redis.call('ZSCORE', pool .. 'order', id)
  if score then extra[#extra + 1] = { id = id, score = tonumber(score) } end
end
local found = pick(1, extra)
return { now_ms, found.picks[1] and found.picks[1][1].id or '', class or '', till }
