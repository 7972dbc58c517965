-- How numbers are read and written.
local function number(value) return tonumber(value or '0') or 0 end

-- All digits, so that equal scores stay equal.
local function exact(score) return string.format('%.17g', score) end

local function whole(count) return string.format('%.0f', count) end
