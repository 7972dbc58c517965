-- What is asked for, by name: the JSON of leaseDemand.
local demand = cjson.decode(ARGV[1])
