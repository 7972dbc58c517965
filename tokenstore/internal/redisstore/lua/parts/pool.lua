-- What is derived from the pool that the first key belongs to. Its order is the virtual
-- time at which each token is due; whoever changes that, or how many leases a token has,
-- says so by stir(), for the orders of the other strategies.
-- DYNKEY zset c1:{pool:NAME}:order token id by score
-- DYNKEY zset c1:{pool:NAME}:leases `<token id> <lease id>` of all open leases by expiry, in ms
-- DYNKEY set c1:{pool:NAME}:stirred ids of tokens
local pool = string.match(KEYS[1], '^.-}:')

local function stir(id) redis.call('SADD', pool .. 'stirred', id) end

-- Puts a token into the order.
local function enter(id, score)
  redis.call('ZADD', pool .. 'order', score, id)
  stir(id)
end

-- Forgets leases of a token before their time.
local function forget_leases(id)
  for _, lease in ipairs(redis.call('ZRANGE', pool .. 'inflight:' .. id, 0, -1)) do
    redis.call('ZREM', pool .. 'leases', id .. ' ' .. lease)
  end
end
