-- needs: clock writes jobs pulling wake edges telling
-- ARGV: ids of jobs of a workflow that did not succeed. Queues those that ended by themselves, and blocks again, as at
-- first, those that waited for others, or were cancelled before they ran. Answers {1, ids queued}; {0} if something
-- that counts here is still owed; {-1} if a gate is among them: a part of the workflow was never stored.
local LOOKED_AT_ONCE = 1000
local chosen, again, blocked, sources = {}, {}, {}, {}

-- Reads the jobs that are to run or wait again; answers why that cannot be, or nil.
local function choose()
  for _, id in ipairs(ARGV) do
    local f = call('HMGET', JOB .. id, 's', 'z', 'B', 'x', 'q', 'n', 'p', 'r', 'F', 'G', 'O', 'e')
    if f[1] == 'f' or f[1] == 'c' then
      if f[3] == '1' and f[4] then
        return -1
      elseif f[11] then
        return 0
      end
      chosen[id] = f
      local never_ran = tonumber(f[9] or 0) > 0 and tonumber(f[8] or 0) == 0 and f[2] ~= 'expired'
      local waited = f[3] or f[2] == 'skipped' or f[2] == 'unneeded' or never_ran
      table.insert(waited and blocked or again, id)
    end
  end
end

-- Lets an edge from a source that is left as it is count in `sum`; answers 0 if its end is still owed.
local function weigh(edge, sum)
  local at, on, number, source = split(edge)
  if sum.is_replaced and at ~= RESULT_PLACE then
    return
  elseif chosen[source] and chosen[source][6] == number then
    sum.to_come = sum.to_come + 1
    return
  end
  local f = call('HMGET', JOB .. source, 'n', 's', 'z', 'e', 'O', 'U', 'K')
  if f[1] ~= number then
    return
  elseif f[5] then
    return 0
  elseif f[6] or f[7] then
    sources[#sources + 1] = source
  end
  if not FINAL[f[2]] then
    sum.to_come = sum.to_come + 1
  else
    local ending = ending_of(f[2], f[3])
    if counts(on, ending) then
      sum.need = sum.need - 1
    else
      sum.spare, sum.on, sum.ending, sum.err = sum.spare - 1, on, ending, f[4] or ''
    end
  end
end

-- Finds out what those that are blocked again need; answers 0 if something that counts is still owed.
local function weigh_all()
  for _, id in ipairs(blocked) do
    local f, at = chosen[id], 0
    local sum = { need = tonumber(f[9] or 0), spare = tonumber(f[10] or 0), to_come = 0, is_replaced = f[3] == '2' }
    repeat
      local edges = call('ZRANGE', P .. 'sources:' .. id, at, at + LOOKED_AT_ONCE - 1)
      for _, edge in ipairs(edges) do
        if weigh(edge, sum) then return 0 end
      end
      at = at + #edges
    until #edges < LOOKED_AT_ONCE
    -- What it needs of sources that were removed meanwhile cannot come any more.
    if sum.spare >= 0 and sum.need > sum.to_come then
      sum.spare, sum.err = -1, f[12]
    end
    f.sum = sum
  end
end

local function queue_again(id, f)
  local key = JOB .. id
  pull(id, f[1], f[5])
  call('HDEL', key, 'a', 'c', 'z', 'f', 'v', 'e', 'g', 'k', 'x', 'U', 'K')
  if f[8] then
    call('HSET', key, 'R', f[8])
  end
  call('HSET', key, 's', 'q', 'i', 1)
  add(P .. 'q:' .. f[5], place(f[6], f[7]), id)
  call('SADD', P .. 'queues', f[5])
  keep_sources(id)
  wake(f[5])
end

local function block_again(id, f)
  local key = JOB .. id
  pull(id, f[1], f[5])
  call('HDEL', key, 'z', 'f', 'v', 'e', 'g', 'k', 'U', 'K')
  call('HSET', key, 's', 'b', 'N', f.sum.need, 'M', f.sum.spare)
  if f[8] then
    call('HSET', key, 'R', f[8])
  end
  if not f[3] then
    call('ZADD', P .. 'blocked:' .. f[5], f[6], id)
  end
end

local refusal = choose() or weigh_all()
if refusal then
  return { refusal }
end
for _, id in ipairs(again) do
  queue_again(id, chosen[id])
end
for _, id in ipairs(blocked) do
  block_again(id, chosen[id])
end
for _, id in ipairs(blocked) do
  local sum = chosen[id].sum
  decide(id, standing_of(id), sum.on, sum.ending, sum.err)
end
-- The ends to come count again, and their records are needed again.
for _, source in ipairs(sources) do
  call('HDEL', JOB .. source, 'U', 'K')
end
tell_targets()
for _, id in ipairs(blocked) do
  local state = call('HGET', JOB .. id, 's')
  if state == 'q' or state == 'd' then
    table.insert(again, id)
  end
end
return { 1, unpack(again) }
