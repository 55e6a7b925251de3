-- Records that others may still ask for, and what goes with a record.
--   K: of how many of its first edges it was seen that nobody behind them needs it any more
-- Looks are counted: where they run out, what was seen of long lists is written down, and the next step goes on there.
local MOST_LOOKS, LOOKED_AT_ONCE = 2000, 100
local looks, has_gone_on, needed_by = MOST_LOOKS, false, {}
local is_needed_behind

-- Whether an edge leads to a job that has not ended, be it through joins, which hand on what they got.
local function is_needed_by(edge)
  local _, _, number, target = split(edge)
  if needed_by[number] ~= nil then
    return needed_by[number]
  end
  looks = looks - 1
  if looks < 0 then
    return true
  end
  local f, needed = call('HMGET', JOB .. target, 's', 'B', 'L', 'K', 'n'), false
  if f[5] == number then
    needed = not FINAL[f[1]] or (f[2] and is_needed_behind(target, f[3], f[4]))
  end
  if looks >= 0 then
    needed_by[number] = needed
  end
  return needed
end

-- Writes down how far a list was seen, if that was far or as far as this step comes.
local function note_seen(id, begin, at)
  if at - begin >= LOOKED_AT_ONCE or (looks < 0 and at > begin) then
    call('HSET', JOB .. id, 'K', at)
    has_gone_on = true
  end
end

function is_needed_behind(id, led, seen)
  local begin = tonumber(seen or 0)
  local at = begin
  repeat
    local edges = edges_from(id, led, at, LOOKED_AT_ONCE)
    for _, edge in ipairs(edges) do
      if is_needed_by(edge) then
        note_seen(id, begin, at)
        return true
      end
      at = at + 1
    end
  until #edges < LOOKED_AT_ONCE
  note_seen(id, begin, at)
  return false
end

-- Whether a record is needed; nil if that is to be asked again in another step, as this one has looked at enough.
local function is_awaited(id, led, seen)
  if not led then
    return false
  elseif looks <= 0 then
    return nil
  end
  local is_first = looks == MOST_LOOKS
  local needed = is_needed_behind(id, led, seen)
  if looks >= 0 then
    return needed
  elseif is_first and not has_gone_on then
    return true -- another step would come no further
  end
end

-- Removes the record of a job that stands nowhere any more. Edges of others to or from it name its number, so they are
-- void with it.
local function forget(id, workflow, led, is_join)
  if workflow then
    call('ZREM', P .. 'workflow:' .. workflow, id)
  end
  if workflow or led or is_join then
    call('UNLINK', P .. 'edges:' .. id, P .. 'sources:' .. id)
  end
  call('DEL', JOB .. id)
  call('ZREM', P .. 'all', id)
end
