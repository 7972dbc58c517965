-- Affinity: demands with the same key are served by the same token, whatever the strategy.
-- Tokens are on a ring at points of their own, and each key falls on it in some places, so
-- that it has an order of the tokens in which one more or one less moves nothing else. The
-- ring is built when the first key comes, a part by each acquire, and then follows by itself:
-- who enters the order enters it, and one that has left the order is dropped when it is met.
-- DYNKEY zset c1:{pool:NAME}:ring token id by its point of the ring
-- DYNKEY zset c1:{pool:NAME}:ids token id by creation, in µs
-- DYNKEY hash c1:{pool:NAME}:clock `ring` µs: tokens created up to then are on it; whole: all are
-- Needs pool, time, numbers, demand, admit, standing, orders.

-- Points of the ring, and how many of them a key falls on: the more, the more evenly keys are
-- spread. A hash has five.
local RING, FALLS = 2 ^ 32, 20
-- How many leases a token may have before keys go on to the next one: a quarter more than the
-- average for its weight, and a few.
local BALANCE, FEW = 1.25, 4

local function falls_of(key)
  local falls = {}
  for n = 0, FALLS - 1, 5 do
    local hash = redis.sha1hex(key .. ' ' .. n)
    for i = 1, 5 do falls[n + i] = fall(hash, i) end
  end
  return falls
end

-- Puts those on the ring that came into the order before there was one. built is up to
-- which creation that is done.
local function build_ring(built)
  if built == 'whole' then return end
  local page = redis.call('ZRANGEBYSCORE', pool .. 'ids', built and '(' .. built or '-inf', '+inf', 'WITHSCORES', 'LIMIT', 0, BUILD)
  for i = 1, #page, 2 do
    if redis.call('ZSCORE', pool .. 'order', page[i]) then enter_ring(page[i]) end
  end
  redis.call('HSET', pool .. 'clock', 'ring', #page == BUILD * 2 and page[#page] or 'whole')
end

-- The tokens from one of the key's falls on, the whole way round: takes the arc to the next.
local function advance(arc)
  local entry = redis.call('ZRANGEBYSCORE', pool .. 'ring', arc.low, arc.high, 'WITHSCORES', 'LIMIT', arc.passed, 1)
  if not entry[1] and arc.high == '+inf' then
    arc.low, arc.high, arc.passed = '-inf', '(' .. arc.low, 0
    return advance(arc)
  end
  arc.id, arc.passed = entry[1], arc.passed + 1
  arc.far = entry[1] and (tonumber(entry[2]) - arc.from) % RING
end

-- The tokens in the order of the key, each once: by how far they are from its nearest fall.
local function around_ring(key)
  local arcs, seen = falls_of(key), {}
  for n, from in ipairs(arcs) do
    arcs[n] = { from = from, low = whole(from), high = '+inf', passed = 0 }
    advance(arcs[n])
  end
  return function()
    local nearest = nil
    for _, arc in ipairs(arcs) do
      while arc.id and seen[arc.id] do advance(arc) end
      if arc.id and (not nearest or arc.far < nearest.far or arc.far == nearest.far and arc.id < nearest.id) then nearest = arc end
    end
    if not nearest then return nil end
    seen[nearest.id] = true
    return nearest.id
  end
end

-- How many leases a token of that weight may have of so many, among so many tokens.
local function bound_of(leases, ids, weight) return math.ceil(BALANCE * leases * weight / math.max(ids, 1)) + FEW end

-- What the pool has to do: its open leases, and the tokens that are well.
local function load()
  local open = redis.call('ZCOUNT', pool .. 'leases', ahead_of_now, '+inf')
  local well = redis.call('ZCOUNT', pool .. 'standing', STANDING.quarantined, STANDING.open)
    - redis.call('ZCOUNT', pool .. 'rests', ahead_of_now, '+inf')
  return open, well
end

-- The leases of a token with a cap, without the slots of it that a replica holds in reserve.
local function leases_of(id)
  local n, held = in_flight(id), redis.call('HMGET', pool .. 'token:' .. id, 'held', 'held_until')
  return number(held[2]) > now_ms and n - number(held[1]) or n
end
