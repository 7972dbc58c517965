-- Moves prompts of data of before, the oldest first, from the stream that had them. It is
-- done before any prompt of now is stored.
-- KEYS[1] stream old: `p`
-- KEYS[2] stream order of the prompts
-- KEYS[3] hash prompts: id of an entry to its sealed prompt
-- KEYS[4] string bytes of the prompts
-- ARGV[1] count how many to move
-- RETURN how many are left

local call = redis.call
local bytes = 0
for _, each in ipairs(call('XRANGE', KEYS[1], '-', '+', 'COUNT', ARGV[1])) do
  local id, prompt = each[1], each[2][2]
  call('XDEL', KEYS[1], id)
  call('XADD', KEYS[2], id, 'p', '')
  call('HSET', KEYS[3], id, prompt)
  bytes = bytes + #prompt
end
if bytes > 0 then call('INCRBY', KEYS[4], bytes) end
local left = call('XLEN', KEYS[1])
if left == 0 then call('DEL', KEYS[1]) end
return left
