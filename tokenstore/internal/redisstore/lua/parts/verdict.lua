-- What a report does to its token beyond the counters: it may cool, as a whole or for one
-- model, or be parked, unless tokens share a cause. The verdict says for how long, by how
-- often in a row it has cooled; how often that is, is known here.
-- DYNKEY set c1:{pool:NAME}:group:<group> token ids
-- Needs pool, standing, time, numbers, marks, tally, guard, transit.

-- Does to the others of a token's group what was done to it: the limit is the group's.
-- Returns to how many. One that is switched off or parked is left alone.
local function share(t, v, streak, cool, terms)
  if t.group == '' then return 0 end
  local others, mine = 0, v.detail
  v.detail = 'with its group, as token ' .. t.id .. ': ' .. (mine or '')
  for _, id in ipairs(redis.call('SMEMBERS', pool .. 'group:' .. t.group)) do
    local other = id ~= t.id and token_of(id)
    if other and not other.upstream then -- deleted by a tokenstore of before there were groups
      redis.call('SREM', pool .. 'group:' .. t.group, id)
    elseif other and other.phase ~= 'parked' and redis.call('HGET', other.key, 'enabled') == '1' then
      write(other) -- its own reports come first
      if transit(other, v, streak, cool, terms.channel, terms.keep) ~= '' then others = others + 1 end
    end
  end
  v.detail = mine
  return others
end

-- Carries a report's verdict out. of_model is how often in a row the token has cooled for
-- the model of a probe that has ended. Returns what became of the token ('', 'shared',
-- 'cooling' or 'parked'), for how many ms, how often in a row that is, and of how many others
-- of its group the same.
local function judge(t, lease, v, of_model, terms)
  local asked = v.asked or ''
  if v.shareable and #asked <= NAME and witness(t.id, lease, v.class, asked, v.request or '', terms.window_ms, terms.cause_ms) then
    return 'shared', 0, 0, 0
  end
  if not v.cools or string.match(lease, '^(%d+)-') ~= t.epoch then return '', 0, 0, 0 end
  if is_shared(v.class, asked) then return 'shared', 0, 0, 0 end
  write(t)
  local streak = of_model
  if (v.model or '') == '' then streak = t.cause == v.class and t.streak or 0 end
  local cool = v.cools[math.min(streak + 1, #v.cools)]
  local became, ms = transit(t, v, streak + 1, cool, terms.channel, terms.keep)
  local others = v.wide and became ~= '' and share(t, v, streak + 1, cool, terms) or 0
  return became, ms, streak + 1, others
end
