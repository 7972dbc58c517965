-- Epochs of errands: each is higher than all before. That holds on a Redis, too, that has lost
-- its last second: the time has gone on.
-- Needs time, numbers.

local function next_epoch(last) return math.max(number(last) + 1, tonumber(time[1]) * 1000000 + tonumber(time[2])) end
