-- The group of a token at its upstream: tokens of one group share limits there. Each report
-- may name it.
-- DYNKEY set c1:{pool:NAME}:group:<group> token ids
-- DYNKEY hash c1:{pool:NAME}:token:<id>
-- Needs pool.

-- Tokens of a group that are known as such.
local GROUP = 500

local function leave_group(id, group)
  redis.call('SREM', pool .. 'group:' .. group, id)
  redis.call('HDEL', pool .. 'token:' .. id, 'group')
end

-- Takes down that a token is of a group, and returns that; '' where the group is too large.
local function join_group(id, was, group)
  if group == '' or group == was then return was end
  if was ~= '' then leave_group(id, was) end
  if redis.call('SCARD', pool .. 'group:' .. group) >= GROUP then return '' end
  redis.call('SADD', pool .. 'group:' .. group, id)
  redis.call('HSET', pool .. 'token:' .. id, 'group', group)
  return group
end
