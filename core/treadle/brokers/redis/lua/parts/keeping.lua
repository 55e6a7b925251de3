-- Records that others may still ask for, and what goes with a record.
local MOST_LOOKS = 1000

local function edges_of(id, led, most)
  if not led then
    return {}
  end
  return led == '+' and call('LRANGE', P .. 'edges:' .. id, 0, most - 1) or { led }
end

-- Whether a job that has not ended waits for this one, be it through joins, which hand on what they got. Where that
-- takes too many looks, the record is kept.
local function is_awaited(id, led)
  local pending, seen, looks = edges_of(id, led, MOST_LOOKS), {}, 0
  while #pending > 0 do
    local target = string.match(table.remove(pending), '^%-?%d+ %a (.*)$')
    if not seen[target] then
      seen[target], looks = true, looks + 1
      local f = call('HMGET', JOB .. target, 's', 'B', 'L')
      if looks > MOST_LOOKS or (f[1] and not FINAL[f[1]]) then
        return true
      end
      if f[1] and f[2] then
        for _, edge in ipairs(edges_of(target, f[3], MOST_LOOKS)) do
          pending[#pending + 1] = edge
        end
      end
    end
  end
  return false
end

-- Removes the record of a job that stands nowhere any more, and its edges both ways.
local function forget(id, workflow, led, is_join)
  if workflow then
    call('ZREM', P .. 'workflow:' .. workflow, id)
  end
  for _, edge in ipairs(edges_of(id, led, MOST_LOOKS)) do
    local at, on, target = string.match(edge, '^(%-?%d+) (%a) (.*)$')
    call('ZREM', P .. 'sources:' .. target, at .. ' ' .. on .. ' ' .. id)
  end
  if workflow or led or is_join then
    call('DEL', P .. 'edges:' .. id, P .. 'sources:' .. id)
  end
  call('DEL', JOB .. id)
  call('ZREM', P .. 'all', id)
end
