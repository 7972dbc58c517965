-- Kept answers: each in a key of its own that expires; what all take together is counted,
-- and bounded by who puts one.
-- DYNKEY string c1:{response}:answer:<digest>
-- Needs time.

local index, sizes, bytes = KEYS[1], KEYS[2], KEYS[3]
local prefix, age = ARGV[1], tonumber(ARGV[2])
-- What Redis needs for an answer beside its own bytes, about.
local OVERHEAD = 256

local used = tonumber(redis.call('GET', bytes) or '0')

-- Takes an answer out, or what is left of one that has expired.
local function forget(digest)
  used = used - tonumber(redis.call('HGET', sizes, digest) or '0')
  redis.call('UNLINK', prefix .. digest)
  redis.call('ZREM', index, digest)
  redis.call('HDEL', sizes, digest)
end

-- Answers that a clock which was ahead has kept in a time to come are of right before now.
local function set_right(most)
  local before = string.format('%.0f', now_ms - 1)
  for _, digest in ipairs(redis.call('ZRANGEBYSCORE', index, '(' .. now, '+inf', 'LIMIT', 0, most)) do
    redis.call('ZADD', index, before, digest)
    redis.call('PEXPIRE', prefix .. digest, age)
  end
end

-- Forgets those that are too old, and then the oldest until all take no more than goal; at
-- most so many at a time. Returns whether that is done.
local function make_room(goal, most)
  local old = string.format('%.0f', now_ms - age)
  for _, digest in ipairs(redis.call('ZRANGEBYSCORE', index, '-inf', old, 'LIMIT', 0, most)) do
    forget(digest)
    most = most - 1
  end
  while used > goal and most > 0 do
    local first = redis.call('ZRANGE', index, 0, 0)[1]
    if not first then
      used = 0
      break
    end
    forget(first)
    most = most - 1
  end
  return used <= goal and most > 0
end

-- Writes down what all take. The index lasts as long as the last answer.
local function count_up()
  redis.call('SET', bytes, string.format('%.0f', used))
  for _, key in ipairs({ index, sizes, bytes }) do
    if redis.call('PTTL', key) < age then redis.call('PEXPIRE', key, age) end
  end
end
