-- What lists choose and sort tokens by, a text a token: to read those of a whole pool takes Redis
-- a tenth of what reading the tokens takes. A token that is not in both hashes is put there when
-- it is to be listed. Together they have about 300 bytes a token.
-- DYNKEY hash c1:{pool:NAME}:rows token id to lines: what ROW names, and its tags
-- DYNKEY hash c1:{pool:NAME}:counts token id to `<requests> <failures> <ms of the last use>`
-- Needs pool.
local ROW = {
  'enabled', 'disabled_until', 'phase', 'expires', 'cooling', 'renewable', 'access_ends', 'fingerprint', 'alias', 'rec',
  'requests', 'failures', 'last_used',
}
-- Place of the record in ROW; behind it are the counts.
local REC = 10

local function put_counts(id, requests, failures, last_used)
  redis.call('HSET', pool .. 'counts', id, requests .. ' ' .. failures .. ' ' .. last_used)
end

-- Takes down the row and the counts of a token; one that is gone is forgotten. Who changes what is
-- in a row says so, also by stand().
local function put_row(id)
  local f = redis.call('HMGET', pool .. 'token:' .. id, unpack(ROW))
  if not f[1] then
    redis.call('HDEL', pool .. 'rows', id)
    redis.call('HDEL', pool .. 'counts', id)
    return
  end
  for i = 1, REC do f[i] = f[i] or '' end
  local tags = string.find(f[REC], '"tags":', 1, true) -- a quote within a text has a backslash before it
  f[REC] = tags and '{' .. string.sub(f[REC], tags) or ''
  redis.call('HSET', pool .. 'rows', id, table.concat(f, '\n', 1, REC))
  put_counts(id, f[REC + 1] or '0', f[REC + 2] or '0', f[REC + 3] or '0')
end
