-- What a script puts into sorted sets and takes out of them: one command per key, when it calls `write`.
local MOST_AT_ONCE = 2000
local additions, withdrawals = {}, {}

local function add(key, score, id)
  local list = additions[key]
  if not list then
    list = {}
    additions[key] = list
  end
  local n = #list
  list[n + 1], list[n + 2] = score, id
end

local function withdraw(key, id)
  local list = withdrawals[key]
  if not list then
    list = {}
    withdrawals[key] = list
  end
  list[#list + 1] = id
end

-- Lua can hand over only some thousand values at once.
local function in_pieces(command, key, list)
  for at = 1, #list, MOST_AT_ONCE do
    call(command, key, unpack(list, at, math.min(at + MOST_AT_ONCE - 1, #list)))
  end
end

local function write()
  for key, list in pairs(withdrawals) do
    in_pieces('ZREM', key, list)
  end
  for key, list in pairs(additions) do
    in_pieces('ZADD', key, list)
  end
  additions, withdrawals = {}, {}
end
