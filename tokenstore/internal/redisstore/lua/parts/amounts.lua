-- Amounts that may be beyond 2^53, up to which Lua's numbers are exact: {high, low}, of which
-- high counts billions. Of a difference below zero, high is.
local billion = 1e9
local nothing = {0, 0}

-- Of text that is digits. The base keeps leading zeros from being an octal number's.
local function amount(text)
  local high = #text - 9
  if high <= 0 then return {0, tonumber(text, 10)} end
  return {tonumber(string.sub(text, 1, high), 10), tonumber(string.sub(text, high + 1), 10)}
end

local function digits(a)
  if a[1] == 0 then return string.format('%.0f', a[2]) end
  return string.format('%.0f', a[1]) .. string.sub(string.format('%.0f', billion + a[2]), 2)
end

local function plus(a, b)
  local low = a[2] + b[2]
  if low < billion then return {a[1] + b[1], low} end
  return {a[1] + b[1] + 1, low - billion}
end

local function minus(a, b)
  local low = a[2] - b[2]
  if low >= 0 then return {a[1] - b[1], low} end
  return {a[1] - b[1] - 1, low + billion}
end

local function exceeds(a, b) return a[1] > b[1] or a[1] == b[1] and a[2] > b[2] end

local function larger(a, b) return exceeds(a, b) and a or b end

-- As a number, which is exact up to 2^53.
local function rough(a) return a[1] * billion + a[2] end

-- Each of two lists of amounts with its like.
local function pairwise(operation, a, b)
  local all = {}
  for i = 1, #a do all[i] = operation(a[i], b[i]) end
  return all
end
