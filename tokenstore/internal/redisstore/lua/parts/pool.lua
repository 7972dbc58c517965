-- What is derived from the pool that the first key belongs to. Its order is the virtual
-- time at which each token is due; whoever changes that, or how many leases a token has,
-- says so by stir(), for the orders of the other strategies.
-- DYNKEY zset c1:{pool:NAME}:order token id by score
-- DYNKEY zset c1:{pool:NAME}:leases `<token id> <lease id>` of all open leases by expiry, in ms
-- DYNKEY zset c1:{pool:NAME}:ring token id by its point of the ring; those in the order are in it
-- DYNKEY set c1:{pool:NAME}:stirred ids of tokens
local pool = string.match(KEYS[1], '^.-}:')

local function stir(id) redis.call('SADD', pool .. 'stirred', id) end

-- Where the n-th of up to five falls of a text is on the ring: 32 bits of its hash.
local function fall(hash, n) return tonumber(string.sub(hash, 8 * n - 7, 8 * n), 16) end

-- Puts a token on the ring, where keys find it: at its own point, wherever others are.
local function enter_ring(id) redis.call('ZADD', pool .. 'ring', fall(redis.sha1hex(id), 1), id) end

-- Puts a token into the order.
local function enter(id, score)
  redis.call('ZADD', pool .. 'order', score, id)
  enter_ring(id)
  stir(id)
end

-- Forgets leases of a token before their time.
local function forget_leases(id)
  for _, lease in ipairs(redis.call('ZRANGE', pool .. 'inflight:' .. id, 0, -1)) do
    redis.call('ZREM', pool .. 'leases', id .. ' ' .. lease)
  end
end
