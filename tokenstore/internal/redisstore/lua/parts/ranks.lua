-- The order that a strategy has of its own, whichever that is.
-- Needs pool, numbers.

-- Takes a token out of it.
local function leave_ranks(id)
  for _, name in ipairs({ 'rank:fill', 'rank:ring' }) do redis.call('ZREM', pool .. name, id) end
  local load = redis.call('ZSCORE', pool .. 'rank:load', id)
  if not load then return end
  redis.call('ZREM', pool .. 'rank:load', id)
  redis.call('ZREM', pool .. 'rank:load:' .. exact(tonumber(load)), id)
end

-- Forgets it.
local function clear_ranks()
  local load = redis.call('ZRANGE', pool .. 'rank:load', 0, 0, 'WITHSCORES')[2]
  while load do
    redis.call('UNLINK', pool .. 'rank:load:' .. exact(tonumber(load)))
    load = redis.call('ZRANGEBYSCORE', pool .. 'rank:load', '(' .. exact(tonumber(load)), '+inf', 'WITHSCORES', 'LIMIT', 0, 1)[2]
  end
  redis.call('UNLINK', pool .. 'rank', pool .. 'rank:load', pool .. 'rank:fill', pool .. 'rank:ring')
end
