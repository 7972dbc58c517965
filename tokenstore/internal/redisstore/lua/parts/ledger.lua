-- The ledger of a key: what its limits have counted, and the books of those who have some of
-- the key set aside. Four amounts are always requests, tokens, cost and requests at a time.
-- Needs time, amounts.

-- How many seconds what was used counts against a minute's limit. A count is of a whole second,
-- and must not be gone before its last moment has been so for 60.
local minute = 61

local function amounts(texts)
  local all = {}
  for i = 1, 4 do all[i] = amount(texts[i]) end
  return all
end

-- A book is text: sequence, ms of its expiry, and four amounts each of what it has spent, was
-- granted and holds.
local function read_book(text)
  local words = {}
  for word in string.gmatch(text, '%d+') do words[#words + 1] = word end
  local function four(from) return {amount(words[from]), amount(words[from + 1]), amount(words[from + 2]), amount(words[from + 3])} end
  return {sequence = tonumber(words[1]), expiry = tonumber(words[2]), spent = four(3), granted = four(7), held = four(11)}
end

-- The books that have not been silent for too long, how many they are, what they hold together,
-- and the names of those that have lapsed.
local function read_books(key)
  local live, count, held, lapsed = {}, 0, {nothing, nothing, nothing, nothing}, {}
  local all = redis.call('HGETALL', key)
  for i = 1, #all, 2 do
    local book = read_book(all[i + 1])
    live[all[i]] = book
    if book.expiry <= now_ms then
      lapsed[#lapsed + 1] = all[i]
    else
      count, held = count + 1, pairwise(plus, held, book.held)
    end
  end
  return live, count, held, lapsed
end

-- What a limit has counted is text: of a minute, `<second> <used>` for each second; of what is
-- longer, `<ms of the period's end> <used>`, with 0 for one that has none.
local function read_minute(text)
  local count = {used = nothing, seconds = {}, renews = 0}
  local second_now = math.floor(now_ms / 1000)
  for second, used in string.gmatch(text, '(%d+) (%d+)') do
    second = math.min(tonumber(second), second_now) -- a clock was ahead
    if second + minute > second_now then
      count.seconds[#count.seconds + 1] = {second = second, used = amount(used)}
      count.used = plus(count.used, amount(used))
      count.renews = (second + minute) * 1000
    end
  end
  return count
end

-- A period whose end has been moved, because the limit has another time zone now, goes on.
local function read_period(text, ends)
  local ended, used = string.match(text, '(%d+) (%d+)')
  if not ended or tonumber(ended) > 0 and tonumber(ended) <= now_ms then used = '0' end
  return {used = amount(used), renews = ends}
end

-- The counts of limits, in their order; written is the hash of a ledger as it is stored.
local function read_counts(limits, written)
  local stored, counts = {}, {}
  for i = 1, #written, 2 do stored[written[i]] = written[i + 1] end
  for i, limit in ipairs(limits) do
    limit.most = amount(limit.amount)
    local text = stored[limit.name] or ''
    if limit.period == 'at_once' then
      counts[i] = {used = nothing, renews = 0}
    elseif limit.period == 'minute' then
      counts[i] = read_minute(text)
    else
      counts[i] = read_period(text, limit.ends)
    end
  end
  return counts, stored
end

-- used, reserved and ms of the renewal of each limit, put behind an answer.
local function append_standing(answer, limits, counts, held)
  for i, limit in ipairs(limits) do
    answer[#answer + 1] = digits(counts[i].used)
    answer[#answer + 1] = digits(held[limit.dimension])
    answer[#answer + 1] = string.format('%.0f', counts[i].renews)
  end
end
