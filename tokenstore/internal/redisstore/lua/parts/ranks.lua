-- Forgets the order that a strategy has of its own, whichever that is.
-- Needs pool, numbers.
local function clear_ranks()
  local load = redis.call('ZRANGE', pool .. 'rank:load', 0, 0, 'WITHSCORES')[2]
  while load do
    redis.call('DEL', pool .. 'rank:load:' .. exact(tonumber(load)))
    load = redis.call('ZRANGEBYSCORE', pool .. 'rank:load', '(' .. exact(tonumber(load)), '+inf', 'WITHSCORES', 'LIMIT', 0, 1)[2]
  end
  redis.call('DEL', pool .. 'rank', pool .. 'rank:load', pool .. 'rank:fill', pool .. 'rank:ring')
end
