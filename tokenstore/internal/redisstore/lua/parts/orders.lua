-- The orders of the strategies: which token comes next. Round robin's is the pool's order
-- itself; the others have one of their own, which is built when the strategy is chosen, a
-- part by each acquire, and then follows what is stirred. An entry whose token is not in
-- the pool's order any more is dropped when it is met.
-- DYNKEY hash c1:{pool:NAME}:rank `strategy` that the order is of, `built` µs: created up to then
--   are in it
-- DYNKEY zset c1:{pool:NAME}:rank:load token id by leases for its weight
-- DYNKEY zset c1:{pool:NAME}:rank:load:<load> token id by score, of one load
-- DYNKEY zset c1:{pool:NAME}:rank:fill token id by its expiry, or when its quota begins anew, in ms
-- DYNKEY zset c1:{pool:NAME}:ids token id by creation, in µs
-- Needs pool, time, numbers, ranks, demand, admit.

-- Tokens that one acquire puts into an order that is being built, and of those stirred.
local BUILD, STIRRED = 500, 500
-- Tokens per read of an order, after a first read that mostly suffices.
local PAGE = 32
-- What comes after every time.
local LAST = 2 ^ 53

local strategy = demand.strategy
if names_one then strategy = 'round_robin' end

-- Whether a comes before b.
local function before(a, b)
  if a.rank ~= b.rank then return a.rank < b.rank end
  if a.score ~= b.score and strategy ~= 'fill_first' then return a.score < b.score end
  return a.id < b.id
end

-- Each strategy: rank of a token by its facts; place of its order's entry.
local strategies = {}

strategies.round_robin = { rank = function() return 0 end }

strategies.least_in_flight = {
  rank = function(facts) return facts.n / facts.weight end,
  place = function(id, score)
    local weight = math.max(number(redis.call('HGET', pool .. 'token:' .. id, 'weight')), 1)
    local load, was = exact(in_flight(id) / weight), redis.call('ZSCORE', pool .. 'rank:load', id)
    if was and exact(tonumber(was)) ~= load then redis.call('ZREM', pool .. 'rank:load:' .. exact(tonumber(was)), id) end
    redis.call('ZADD', pool .. 'rank:load', load, id)
    redis.call('ZADD', pool .. 'rank:load:' .. load, score, id)
  end,
}

strategies.fill_first = {
  rank = function(facts) return facts.ends > 0 and facts.ends or LAST end,
  place = function(id)
    local f = redis.call('HMGET', pool .. 'token:' .. id, 'renewable', 'expires', 'resets')
    local ends = first_end(f[1] == '1', f[2], f[3])
    redis.call('ZADD', pool .. 'rank:fill', whole(ends > 0 and ends or LAST), id)
  end,
}

local chosen = strategies[strategy]

-- Reads entries page by page, from an offset on: read(offset, size) returns ids and scores
-- in turns.
local function paged(offset, first, read)
  local page, next, size, over = {}, 1, first, false
  local queue = {}
  function queue.peek()
    if next > #page and not over then
      page, next = read(offset, size), 1
      over = #page < size * 2
      offset, size = offset + size, PAGE
    end
    if page[next] then return page[next], tonumber(page[next + 1]) end
  end
  function queue.skip() next = next + 2 end
  return queue
end

local function by_rank(key, from, first)
  return paged(from, first, function(offset, size) return redis.call('ZRANGE', key, offset, offset + size - 1, 'WITHSCORES') end)
end

-- The entries of an order, as {id, rank, score}; each is given once. Those before are known
-- not to be eligible, and are not read.
local function entries_of_loads(first)
  local load, level, skip = nil, nil, demand.skip
  local function next_level()
    local from = load and '(' .. load or '-inf'
    local lowest = redis.call('ZRANGEBYSCORE', pool .. 'rank:load', from, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)[2]
    if not lowest then return nil end
    load = exact(tonumber(lowest))
    level = by_rank(pool .. 'rank:load:' .. load, skip, first)
    if skip > 0 then skip = math.max(skip - redis.call('ZCARD', pool .. 'rank:load:' .. load), 0) end
    return level
  end
  return function()
    while level or next_level() do
      local id, score = level.peek()
      if id then
        level.skip()
        return { id = id, rank = tonumber(load), score = score }
      end
      if not next_level() then return nil end
    end
  end
end

local function entries(first)
  if strategy == 'least_in_flight' then return entries_of_loads(first) end
  local queue = by_rank(strategy == 'fill_first' and pool .. 'rank:fill' or pool .. 'order', demand.skip, first)
  return function()
    local id, score = queue.peek()
    if not id then return nil end
    queue.skip()
    if strategy == 'fill_first' then return { id = id, rank = score } end
    return { id = id, rank = 0, score = score }
  end
end

-- What is not in the strategy's order yet, or not where it belongs: some of it. read is
-- how what is stirred is read.
local function strays(read)
  if strategy == 'round_robin' then return {}, nil end
  local of = redis.call('HMGET', pool .. 'rank', 'strategy', 'built')
  local stray, built = {}, of[2]
  if of[1] ~= strategy then built = '-inf' end
  if built then
    local from = built == '-inf' and built or '(' .. built
    local page = redis.call('ZRANGEBYSCORE', pool .. 'ids', from, '+inf', 'WITHSCORES', 'LIMIT', 0, BUILD)
    for i = 1, #page, 2 do stray[#stray + 1] = page[i] end
    built = #page == BUILD * 2 and page[#page] or nil
  end
  for _, id in ipairs(redis.call(read, pool .. 'stirred', STIRRED)) do stray[#stray + 1] = id end
  return stray, built, of[1] ~= strategy
end

-- Brings the strategy's order up to date, as far as one acquire may.
local function follow()
  if strategy == 'round_robin' then
    if demand.strategy == 'round_robin' then redis.call('DEL', pool .. 'stirred') end
    local of = redis.call('HGET', pool .. 'rank', 'strategy')
    if of and of ~= demand.strategy then clear_ranks() end -- nobody brings it up to date any more
    return
  end
  local stray, built, another = strays('SPOP')
  if another then
    clear_ranks()
    redis.call('HSET', pool .. 'rank', 'strategy', strategy)
  end
  if built then redis.call('HSET', pool .. 'rank', 'built', built) else redis.call('HDEL', pool .. 'rank', 'built') end
  for _, id in ipairs(stray) do
    local score = redis.call('ZSCORE', pool .. 'order', id)
    if score then chosen.place(id, score) else leave_ranks(id) end
  end
end
