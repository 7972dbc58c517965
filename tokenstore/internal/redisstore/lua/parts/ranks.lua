-- The orders that are kept beside the pool's: the strategy's own, whichever that is, and the
-- ring.
-- Needs pool, numbers.

-- Takes a token out of them.
local function leave_ranks(id)
  for _, name in ipairs({ 'rank:fill', 'ring' }) do redis.call('ZREM', pool .. name, id) end
  local load = redis.call('ZSCORE', pool .. 'rank:load', id)
  if not load then return end
  redis.call('ZREM', pool .. 'rank:load', id)
  redis.call('ZREM', pool .. 'rank:load:' .. exact(tonumber(load)), id)
end

-- Forgets the strategy's.
local function clear_ranks()
  local load = redis.call('ZRANGE', pool .. 'rank:load', 0, 0, 'WITHSCORES')[2]
  while load do
    redis.call('UNLINK', pool .. 'rank:load:' .. exact(tonumber(load)))
    load = redis.call('ZRANGEBYSCORE', pool .. 'rank:load', '(' .. exact(tonumber(load)), '+inf', 'WITHSCORES', 'LIMIT', 0, 1)[2]
  end
  -- A ring of this name is of data of before there was one for all strategies.
  redis.call('UNLINK', pool .. 'rank', pool .. 'rank:load', pool .. 'rank:fill', pool .. 'rank:ring')
end
