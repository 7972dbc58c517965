-- Takes in what a gateway says of itself, and returns what all of them say. What
-- it counts, it counts from its start: a repeated beat adds nothing, and the
-- lifetime count grows by what is new. Those that have been silent are dropped.
-- KEYS[1] hash replicas: name to ms of the last beat, a space, its record
-- KEYS[2] hash totals: requests, started in µs
-- KEYS[3] string counted: the replica's requests that are in the totals
-- KEYS[4] zset given up: ids of calls by ms
-- ARGV[1] name of the replica
-- ARGV[2] record protobuf
-- ARGV[3] started µs
-- ARGV[4] requests since its start
-- ARGV[5] silence_ms ms after which a replica is dropped
-- ARGV[6] counted_ttl ms that a silent replica's count is remembered
-- ARGV[7] memory_ms ms that a call which was given up is told
-- ARGV[8] most calls given up that are told
-- ARGV[9...] ids of calls that the gateway gives up
-- RETURN {requests of all, µs at which the first started, calls given up, id, id, …, record,
-- record, …}

local replicas, totals, counted, given_up = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local name, record = ARGV[1], ARGV[2]
local started, requests = tonumber(ARGV[3]), tonumber(ARGV[4])
local silence, counted_ttl = tonumber(ARGV[5]), ARGV[6]
local memory, most = tonumber(ARGV[7]), tonumber(ARGV[8])
local call = redis.call

local time = call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local function whole(number) return string.format('%.0f', number) end

local before = tonumber(call('GET', counted) or '0')
if requests > before then call('HINCRBY', totals, 'requests', whole(requests - before)) end
call('SET', counted, whole(math.max(requests, before)), 'PX', counted_ttl)

local first = tonumber(call('HGET', totals, 'started') or 0)
if first == 0 or started < first then
  first = started
  call('HSET', totals, 'started', whole(started))
end

call('HSET', replicas, name, whole(now) .. ' ' .. record)
local answer = { call('HGET', totals, 'requests') or '0', whole(first) }

for i = 9, #ARGV do call('ZADD', given_up, whole(now), ARGV[i]) end
if #ARGV >= 9 then
  local over = call('ZCARD', given_up) - most
  if over > 0 then call('ZREM', given_up, unpack(call('ZRANGE', given_up, 0, over - 1))) end
  call('PEXPIRE', given_up, whole(memory))
end
call('ZREMRANGEBYSCORE', given_up, '-inf', whole(now - memory))
call('ZREMRANGEBYSCORE', given_up, '(' .. whole(now), '+inf') -- a clock was ahead
local ids = call('ZRANGE', given_up, 0, -1)
answer[#answer + 1] = whole(#ids)
for i = 1, #ids do answer[#answer + 1] = ids[i] end

local all = call('HGETALL', replicas)
for i = 1, #all, 2 do
  local seen, said = string.match(all[i + 1], '^(%d+) (.*)$')
  if tonumber(seen) > now then -- a clock was ahead: it is heard now
    call('HSET', replicas, all[i], whole(now) .. ' ' .. said)
  end
  if now - tonumber(seen) > silence then
    call('HDEL', replicas, all[i])
  else
    answer[#answer + 1] = said
  end
end
return answer
