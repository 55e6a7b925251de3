-- needs: clock jobs wake telling
-- ARGV: ids of jobs of a workflow that did not succeed. Queues those that ended by themselves, and blocks again, as at
-- first, those that waited for others, or were cancelled before they ran. Answers {1, ids queued}, {0} if something is
-- still owed, {-1} if a gate is among them: a part of the workflow was never stored.
if call('EXISTS', P .. 'owed') == 1 then
  return { 0 }
end
local chosen, again, blocked = {}, {}, {}
for _, id in ipairs(ARGV) do
  local f = call('HMGET', JOB .. id, 's', 'z', 'B', 'x', 'q', 'n', 'p', 'r', 'F', 'G')
  if f[1] == 'f' or f[1] == 'c' then
    if f[3] == '1' and f[4] then
      return { -1 }
    end
    chosen[id] = f
    local never_ran = tonumber(f[9] or 0) > 0 and tonumber(f[8] or 0) == 0 and f[2] ~= 'expired'
    local waited = f[3] or f[2] == 'skipped' or f[2] == 'unneeded' or never_ran
    table.insert(waited and blocked or again, id)
  end
end

local function blank(id, f)
  local key = JOB .. id
  pull(id, f[1], f[5])
  call('HDEL', key, 'a', 'c', 'z', 'f', 'v', 'e', 'g', 'k', 'x', 'U')
  if f[8] then
    call('HSET', key, 'R', f[8])
  end
end

for _, id in ipairs(again) do
  local f = chosen[id]
  blank(id, f)
  call('HSET', JOB .. id, 's', 'q', 'i', 1)
  call('ZADD', P .. 'q:' .. f[5], place(f[6], f[7]), id)
  wake(f[5])
end
for _, id in ipairs(blocked) do
  local f = chosen[id]
  blank(id, f)
  call('HSET', JOB .. id, 's', 'b', 'N', f[9] or 0, 'M', f[10] or 0)
  if not f[3] then
    call('ZADD', P .. 'blocked:' .. f[5], f[6], id)
  end
end
-- What is left as it is counts as it did.
for _, id in ipairs(blocked) do
  for _, edge in ipairs(call('ZRANGE', P .. 'sources:' .. id, 0, -1)) do
    local at, on, source = split(edge)
    local f = call('HMGET', JOB .. source, 's', 'z', 'e')
    if not chosen[source] and FINAL[f[1]] then
      follow(at .. ' ' .. on .. ' ' .. id, ending_of(f[1], f[2]), f[3] or '')
    end
  end
end
tell_targets()
for _, id in ipairs(blocked) do
  local state = call('HGET', JOB .. id, 's')
  if state == 'q' or state == 's' then
    table.insert(again, id)
  end
end
return { 1, unpack(again) }
