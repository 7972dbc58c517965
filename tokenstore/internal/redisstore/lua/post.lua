-- Takes a statement of a gateway's book into a key's ledger, sets aside what its requests may use
-- at most, where the limits have room for that, and then something for requests to come.
-- KEYS[1] hash ledger
-- KEYS[2] hash books
-- KEYS[3] hash lapsed
-- ARGV[1] posting JSON of ledgerPosting
-- ARGV[2] channel where it is told that others' allowances are wanted
-- USE time
-- USE amounts
-- USE ledger
-- USE posting
-- RETURN {again, ms of the time} where a limit's period is over; {unknown} where there is no such
-- book; {crowded} where there are too many; else {posted, ms of the time, what the book has been
-- granted: four amounts, per limit: used, reserved, ms of the renewal or 0, per charge: granted,
-- waits, held, spent or never, the place of the limit that refuses it or 0, ms at which it would
-- have room or 0}

local ledger, books, lapsed, channel = KEYS[1], KEYS[2], KEYS[3], ARGV[2]
local posting = cjson.decode(ARGV[1])
local limits = posting.limits
for _, limit in ipairs(limits) do
  if limit.ends > 0 and (now_ms < limit.begins or now_ms >= limit.ends) then return {'again', now} end
end

local counts, stored = read_counts(limits, redis.call('HGETALL', ledger))
local live, live_count, held, silent = read_books(books)

-- The posting's book is taken out of what is held, and put back as it is after its statement.
local known = live[posting.book]
local book, revived = known, nil
if known and known.expiry > now_ms then
  live_count, held = live_count - 1, pairwise(minus, held, known.held)
elseif known then
  book.held = {nothing, nothing, nothing, nothing}
else
  revived = redis.call('HGET', lapsed, posting.book)
  if revived then book = read_book(revived) end
end
if not book and posting.sequence == 0 then return {'unknown'} end
if not known and live_count >= posting.most_books then return {'crowded'} end

local used, spare
book, used, spare = take_statement(posting, book)
held = pairwise(plus, held, book.held)
live_count = live_count + 1
local changed = count_use(limits, counts, used)

local room = {limits = limits, counts = counts, held = held, book = book}
local verdicts, wants = {}, false
for i, texts in ipairs(posting.charges) do
  local most = amounts(texts)
  local verdict = {'granted', 0, 0}
  if covers(spare, most) then
    spare = pairwise(minus, spare, most)
  else
    verdict = judge(room, most)
    if verdict[1] == 'granted' then set_aside(room, most) end
  end
  wants = wants or verdict[1] == 'waits'
  verdicts[i] = verdict
end

local wanted = math.min(tonumber(stored.wanted or '0'), now_ms + posting.wanted_ms)
if wants then
  if wanted <= now_ms + posting.wanted_ms - posting.want_every_ms then
    redis.call('PUBLISH', channel, 'keywanted ' .. posting.key)
    changed[#changed + 1] = 'wanted'
    changed[#changed + 1] = string.format('%.0f', now_ms + posting.wanted_ms)
  end
elseif wanted <= now_ms then
  local allowance = allowance_of(room, amounts(posting.ahead), live_count)
  if allowance then set_aside(room, allowance) end
end

-- All is decided: what follows writes.
if #changed > 0 then redis.call('HSET', ledger, unpack(changed)) end
local kept = {wanted = true, forgotten = true}
for _, limit in ipairs(limits) do kept[limit.name] = true end
for name in pairs(stored) do
  if not kept[name] then redis.call('HDEL', ledger, name) end
end
for _, name in ipairs(silent) do
  if name ~= posting.book then
    local other = live[name]
    other.held = {nothing, nothing, nothing, nothing}
    redis.call('HDEL', books, name)
    redis.call('HSET', lapsed, name, book_text(other))
  end
end
if #silent > 0 then bury(lapsed, posting.memory_ms, posting.most_books) end
if revived then redis.call('HDEL', lapsed, posting.book) end
redis.call('HSET', books, posting.book, book_text(book))
-- Others' books may last longer than this one.
local last = book.expiry
for _, other in pairs(live) do last = math.max(last, other.expiry) end
redis.call('PEXPIRE', books, string.format('%.0f', last - now_ms + posting.memory_ms))

local answer = {'posted', now}
for i = 1, 4 do answer[#answer + 1] = digits(book.granted[i]) end
append_standing(answer, limits, counts, room.held)
for _, verdict in ipairs(verdicts) do
  answer[#answer + 1] = verdict[1]
  answer[#answer + 1] = string.format('%.0f', verdict[2])
  answer[#answer + 1] = string.format('%.0f', verdict[3])
end
return answer
