-- Tells the stream of what happened to the pool's tokens by itself, and was taken back.
-- DYNKEY stream c1:{pool:NAME}:events
-- Needs pool.

-- Events that are kept of a pool.
local EVENTS = 2000

-- The rest are names and values in turn.
local function tell(id, kind, class, model, ...)
  redis.call('XADD', pool .. 'events', 'MAXLEN', EVENTS, '*', 'id', id, 'kind', kind, 'class', class, 'model', model, ...)
end
