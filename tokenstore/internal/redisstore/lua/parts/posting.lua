-- What a posting does to a ledger, in tables: nothing of it writes but bury.
-- Needs time, amounts, ledger.

local function book_text(book)
  local words = {string.format('%.0f', book.sequence), string.format('%.0f', book.expiry)}
  for _, four in ipairs({book.spent, book.granted, book.held}) do
    for i = 1, 4 do words[#words + 1] = digits(four[i]) end
  end
  return table.concat(words, ' ')
end

-- The book as it is after the statement, what has been used since the one before, and what of
-- its grants has never reached the replica and never will: that pays for charges first. A book
-- that is not known begins with what it states: what it has used before was counted then.
local function take_statement(posting, book)
  local none = {nothing, nothing, nothing, nothing}
  local used, spare = none, none
  book = book or {sequence = 0, spent = amounts(posting.spent), granted = none, held = none, expiry = 0}
  if posting.sequence > book.sequence then
    local spent = pairwise(larger, amounts(posting.spent), book.spent)
    used = pairwise(minus, spent, book.spent)
    local stated = amounts(posting.granted)
    book.granted = pairwise(larger, stated, book.granted)
    local unheard = pairwise(minus, book.granted, stated)
    book.sequence, book.spent = posting.sequence, spent
    book.held = pairwise(plus, amounts(posting.holding), unheard)
    book.expiry = now_ms + posting.ttl_ms
    if posting.fresh then spare = unheard end
  elseif book.expiry <= now_ms then
    book.expiry = now_ms + posting.ttl_ms
  end
  return book, used, spare
end

-- Adds what was used to the counts, and returns what is to be written of the ledger: names and
-- texts by turns.
local function count_use(limits, counts, used)
  local changed = {}
  local second_now = math.floor(now_ms / 1000)
  for i, limit in ipairs(limits) do
    local count, more = counts[i], used[limit.dimension]
    if limit.period ~= 'at_once' and exceeds(more, nothing) then
      count.used = plus(count.used, more)
      local text
      if limit.period == 'minute' then
        local last = count.seconds[#count.seconds]
        if not last or last.second < second_now then
          last = {second = second_now, used = nothing}
          count.seconds[#count.seconds + 1] = last
        end
        last.used = plus(last.used, more)
        count.renews = (second_now + minute) * 1000
        local parts = {}
        for n, each in ipairs(count.seconds) do parts[n] = string.format('%.0f', each.second) .. ' ' .. digits(each.used) end
        text = table.concat(parts, ' ')
      else
        text = string.format('%.0f', limit.ends) .. ' ' .. digits(count.used)
      end
      changed[#changed + 1] = limit.name
      changed[#changed + 1] = text
    end
  end
  return changed
end

local function covers(spare, most)
  for i = 1, 4 do
    if exceeds(most[i], spare[i]) then return false end
  end
  return exceeds(spare[1], nothing)
end

-- When enough of what was used in the last minute has left it for so much more.
local function room_at(count, limit, need)
  local used = count.used
  for _, each in ipairs(count.seconds) do
    used = minus(used, each.used)
    if not exceeds(plus(used, need), limit.most) then return (each.second + minute) * 1000 end
  end
  return 0
end

-- Why a limit has no room for so much; nil where it has: never, spent (by what was used), held
-- (by what the book itself has set aside) or waits (by what others have, which they may not
-- need). Who needs nothing of a limit is not refused by it.
local function refuses(room, i, need)
  local limit, count = room.limits[i], room.counts[i]
  local held, own = room.held[limit.dimension], room.book.held[limit.dimension]
  local then_used = plus(count.used, need)
  if not exceeds(need, nothing) or not exceeds(plus(then_used, held), limit.most) then return nil end
  if exceeds(need, limit.most) then return 'never', 0 end
  if exceeds(then_used, limit.most) then
    if limit.period == 'minute' then return 'spent', room_at(count, limit, need) end
    return 'spent', count.renews
  end
  if exceeds(plus(then_used, own), limit.most) then return 'held', 0 end
  return 'waits', 0
end

local severity = {waits = 1, held = 2, spent = 3, never = 4}

-- The verdict on a charge: what becomes of it, the place of the limit that refuses it for
-- longest, and ms at which that one has room.
local function judge(room, most)
  local worst = {'granted', 0, 0}
  local rank = 0
  for i, limit in ipairs(room.limits) do
    local why, at = refuses(room, i, most[limit.dimension])
    if why then
      local later = severity[why] == rank and worst[3] > 0 and (at == 0 or at > worst[3])
      if severity[why] > rank or later then worst, rank = {why, i, at}, severity[why] end
    end
  end
  return worst
end

local function set_aside(room, more)
  room.book.granted = pairwise(plus, room.book.granted, more)
  room.book.held = pairwise(plus, room.book.held, more)
  room.held = pairwise(plus, room.held, more)
end

-- What is set aside ahead of requests: the same part of each amount that is asked for, such that
-- all books together would get half of what is left; nil where that is less than a request's.
local function allowance_of(room, asked, books)
  local part = 1
  for i, limit in ipairs(room.limits) do
    local want = rough(asked[limit.dimension])
    if want > 0 then
      local left = minus(minus(limit.most, room.counts[i].used), room.held[limit.dimension])
      part = math.min(part, rough(left) / (2 * books) / want)
    end
  end
  local requests = rough(asked[1])
  if requests < 1 or part * requests < 1 then return nil end
  part = math.floor(part * requests) / requests
  if part == 1 then return asked end
  local allowance = {}
  for i = 1, 4 do
    local share = rough(asked[i]) * part
    -- A slot is needed for whatever else is granted.
    allowance[i] = amount(string.format('%.0f', i == 4 and math.ceil(share) or math.floor(share)))
  end
  if judge(room, allowance)[1] ~= 'granted' then return nil end
  return allowance
end

-- Forgets the books that have lapsed for too long, and the oldest where there are too many.
local function bury(lapsed, memory_ms, most)
  local all, left = redis.call('HGETALL', lapsed), {}
  for i = 1, #all, 2 do
    local expiry = tonumber(string.match(all[i + 1], '^%d+ (%d+)'))
    if expiry + memory_ms <= now_ms then
      redis.call('HDEL', lapsed, all[i])
    else
      left[#left + 1] = {name = all[i], expiry = expiry}
    end
  end
  table.sort(left, function(a, b) return a.expiry < b.expiry end)
  for i = 1, #left - most do redis.call('HDEL', lapsed, left[i].name) end
  redis.call('PEXPIRE', lapsed, string.format('%.0f', memory_ms))
end
