-- An edge is written as `place on number id`, with on = s success, f failure, e end, and the number (n) and id of the
-- job at its other end: an id may be used again after a removal, a number never is.
--   L: the one edge of a job, or '+': then they are in the list edges:<id>
--   sources:<id>: sorted set by place of the edges that lead to a job
local RESULT_PLACE = '-2'

-- Its place, on, number and id.
local function split(edge)
  return string.match(edge, '^(%-?%d+) (%a) (%d+) (.*)$')
end

local function edge_of(at, on, number, id)
  return at .. ' ' .. on .. ' ' .. number .. ' ' .. id
end

-- Adds edges to those of a job, which are `led` now.
local function draw(source, led, edges)
  if not led and #edges == 1 then
    call('HSET', JOB .. source, 'i', 1, 'L', edges[1])
    return
  end
  local key = P .. 'edges:' .. source
  if led ~= '+' then
    call('HSET', JOB .. source, 'i', 1, 'L', '+')
    if led then
      call('RPUSH', key, led)
    end
  end
  -- Lua can hand over only some thousand at once.
  for at = 1, #edges, 1000 do
    call('RPUSH', key, unpack(edges, at, math.min(at + 999, #edges)))
  end
end

-- At most so many edges of a job, from the one with that index on.
local function edges_from(id, led, from, most)
  if led == '+' then
    return call('LRANGE', P .. 'edges:' .. id, from, from + most - 1)
  end
  return led and from == 0 and { led } or {}
end

-- Lets it be seen anew whether the records of a job's sources are needed (K, see keeping.lua), since it runs again. A
-- job that runs has few; those of a join are its members.
local function keep_sources(id)
  for _, edge in ipairs(call('ZRANGE', P .. 'sources:' .. id, 0, 99)) do
    local _, _, _, source = split(edge)
    call('HDEL', JOB .. source, 'K')
  end
end
