-- Tells how far the limits of a key are used up.
-- KEYS[1] hash ledger
-- KEYS[2] hash books
-- ARGV[1] limits JSON of ledgerLimit, a list
-- USE time
-- USE amounts
-- USE ledger
-- RETURN {ms of the time, per limit: used, reserved, ms of the renewal or 0}

local limits = cjson.decode(ARGV[1])
local counts = read_counts(limits, redis.call('HGETALL', KEYS[1]))
local _, _, held = read_books(KEYS[2])
local answer = {now}
append_standing(answer, limits, counts, held)
return answer
