-- needs: clock writes wake heeding (jobs edges telling leading arriving)
-- ARGV: how many jobs, 1 if one is a part of a workflow, then for each: id, task, queue, payload, and
--   0; or
--   1 and what is unusual about it: priority, options, delay, eta, ttl, expires, redeliver; or
--   2, the same, and its part in a workflow: need, spare, join, workflow, how many edges and for each target, place, on
--   and 1 if it lets the target grow; how many it waits for and for each source, place, on.
-- A job whose id is known is left alone; what it was not known to lead to is led to from now on.
-- Answers how many were stored; or {id, name} of a job and one that it names and nobody knows: then none was stored.
local count, has_workflow = tonumber(ARGV[1]), ARGV[2] == '1'
local queues, stored = {}, 0

-- Stores a job that is not known yet.
local function store(key, seq, number, i)
  local id, task, queue, payload, kind = unpack(ARGV, i, i + 4)
  local state, where, score, fields, other
  if kind ~= '0' then
    state, where, score = heed(key, queue, seq, i)
  end
  if kind == '2' then
    fields, other = rarely().take_part(key, id, number, queue, i)
    if other then
      state, where = other, nil
    end
  end
  if fields then
    call('HSET', key, 't', task, 'q', queue, 'y', payload, 's', state or 'q', 'm', NOW, unpack(fields))
  else
    call('HSET', key, 't', task, 'q', queue, 'y', payload, 's', state or 'q', 'm', NOW)
  end
  where = where or (not state and P .. 'q:' .. queue)
  score = score or number
  if count == 1 then
    if where then call('ZADD', where, score, id) end
    call('ZADD', P .. 'all', number, id)
  else
    if where then add(where, score, id) end
    add(P .. 'all', number, id)
  end
  queues[queue] = true
  stored = stored + 1
end

local unknown = has_workflow and rarely().unknown_name()
if unknown then
  return unknown
end
local seq, i = call('INCRBY', P .. 'seq', ARGV[1]) - count, 3
while i <= #ARGV do
  local id = ARGV[i]
  seq = seq + 1
  local number = string.format('%.0f', seq)
  if call('HSETNX', JOB .. id, 'n', number) == 1 then
    if has_workflow then
      loaded.numbers[id] = number
    end
    store(JOB .. id, seq, number, i)
  elseif has_workflow and ARGV[i + 4] == '2' then
    rarely().connect_again(id, i)
  end
  i = behind(i)
end
for queue in pairs(queues) do
  call('SADD', P .. 'queues', queue)
  wake(queue)
end
write()
if has_workflow then
  loaded.connect_all()
end
return stored
