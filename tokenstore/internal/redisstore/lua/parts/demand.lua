-- What is asked for, by name: the JSON of leaseDemand.
local demand = cjson.decode(ARGV[1])
-- Whether only one token may serve it.
local names_one = demand.alias ~= '' or demand.token_id ~= ''
