-- What a script puts into sorted sets, written in one command per key when it calls `write`.
local MOST_VALUES = 2000 -- Lua can hand over only some thousand at once
local pending = {}

local function add(key, score, id)
  local list = pending[key]
  if not list then
    list = { 'ZADD', key }
    pending[key] = list
  end
  local n = #list
  list[n + 1], list[n + 2] = score, id
  if n > MOST_VALUES then
    call(unpack(list))
    pending[key] = nil
  end
end

local function write()
  for _, list in pairs(pending) do
    call(unpack(list))
  end
  pending = {}
end
