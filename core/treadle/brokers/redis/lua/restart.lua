-- needs: clock writes jobs wake edges telling
-- ARGV: ids of jobs of a workflow that did not succeed. Queues those that ended by themselves, and blocks again, as at
-- first, those that waited for others. Answers {1, ids queued}, {0} if something that counts here is still owed, {-1} if
-- a gate is among them: a part of the workflow was never stored.
local LOOKED_AT_ONCE = 1000
local chosen, again, blocked, counting = {}, {}, {}, {}

-- Reads the jobs that are to run or wait again; answers why that cannot be, or nil.
local function choose()
  for _, id in ipairs(ARGV) do
    local f = call('HMGET', JOB .. id, 's', 'z', 'B', 'x', 'q', 'n', 'p', 'r', 'F', 'G', 'O')
    if f[1] == 'f' or f[1] == 'c' then
      if f[3] == '1' and f[4] then
        return -1
      elseif f[11] then
        return 0
      end
      chosen[id] = f
      local waited = f[3] or f[2] == 'skipped' or f[2] == 'unneeded'
      table.insert(waited and blocked or again, id)
    end
  end
end

-- Notes an edge to one of those, if its source is left as it is and its end counts.
local function weigh(edge, id)
  local at, on, number, source = split(edge)
  if chosen[source] then
    return
  end
  local f = call('HMGET', JOB .. source, 'n', 's', 'z', 'e', 'O', 'K')
  if f[1] == number and FINAL[f[2]] then
    if f[5] then
      return 0
    end
    counting[#counting + 1] = {
      edge_of(at, on, chosen[id][6], id), ending_of(f[2], f[3]), f[4] or '', f[6] and source,
    }
  end
end

-- Looks at all edges to those; answers 0 if one is still owed.
local function weigh_all()
  for _, id in ipairs(blocked) do
    local at = 0
    repeat
      local edges = call('ZRANGE', P .. 'sources:' .. id, at, at + LOOKED_AT_ONCE - 1)
      for _, edge in ipairs(edges) do
        if weigh(edge, id) then return 0 end
      end
      at = at + #edges
    until #edges < LOOKED_AT_ONCE
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
  wake(f[5])
end

local function block_again(id, f)
  local key = JOB .. id
  pull(id, f[1], f[5])
  call('HDEL', key, 'z', 'f', 'v', 'e', 'g', 'k', 'U', 'K')
  call('HSET', key, 's', 'b', 'N', f[9] or 0, 'M', f[10] or 0)
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
for _, each in ipairs(counting) do
  follow(each[1], each[2], each[3])
  if each[4] then
    call('HDEL', JOB .. each[4], 'K')
  end
end
tell_targets()
return { 1, unpack(again) }
