-- Sums of use are 18 numbers with spaces between, as usage.Sums writes them: of each of three
-- costs its requests, dollars and pico-dollars, then counts. All are whole and below 2^53.
local sums_pattern = string.rep('(%d+) ', 18)
local sums_format = string.rep('%d ', 18)

local function add_sums(old, new)
  local sum = { string.match(old .. ' ', sums_pattern) }
  local more = { string.match(new .. ' ', sums_pattern) }
  for i = 1, 18 do sum[i] = sum[i] + more[i] end
  for dollars = 2, 8, 3 do
    local picos = dollars + 1
    if sum[picos] >= 1e12 then
      sum[dollars], sum[picos] = sum[dollars] + 1, sum[picos] - 1e12
    end
  end
  return string.sub(string.format(sums_format, unpack(sum)), 1, -2)
end

-- The cell to count in, and what is in it or false. Where a hash is full it is that of all other
-- models; where it is overfull that of all others, too.
local function use_cell(key, cell, full, overfull)
  local old = redis.call('HGET', key, cell)
  if old then return cell, old end
  local others, size = '(others)', redis.call('HLEN', key)
  if size < full then return cell, old end
  local who, upstream = string.match(cell, '^([^\n]*)\n([^\n]*)\n')
  cell = table.concat({ who, upstream, others }, '\n')
  old = redis.call('HGET', key, cell)
  if old or size < overfull then return cell, old end
  cell = table.concat({ others, upstream, others }, '\n')
  return cell, redis.call('HGET', key, cell)
end

-- Adds to a hash of cells what is in a list of cells, each with its sums behind it.
local function add_use(key, ttl, cells, full, overfull)
  for i = 1, #cells, 2 do
    local cell, old = use_cell(key, cells[i], full, overfull)
    local sums = cells[i + 1]
    if old then sums = add_sums(old, sums) end
    redis.call('HSET', key, cell, sums)
  end
  redis.call('EXPIRE', key, ttl)
end
