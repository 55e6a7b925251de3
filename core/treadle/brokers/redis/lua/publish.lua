-- needs: clock writes jobs wake edges telling leading arriving
-- ARGV: how many jobs, then for each: id, task, queue, payload, and 0; or 1 and what is unusual about it:
-- priority, options, delay, eta, ttl, expires, redeliver; or 2, the same, and its part in a workflow:
-- need, spare, join, workflow, how many edges and for each target, place, on and 1 if it lets the target grow; how many
-- it waits for and for each source, place, on. A job whose id is known is left alone.
-- Answers how many were stored; or {id, name} of a job and one that it names and nobody knows: then none was stored.
local count = tonumber(ARGV[1])
local queues, stored = {}, 0

-- Where the arguments of the next job begin.
local function behind(i)
  local kind = ARGV[i + 4]
  if kind == '0' then
    return i + 5
  elseif kind == '1' then
    return i + 12
  end
  local after = i + 17 + 4 * ARGV[i + 16]
  return after + 1 + 3 * ARGV[after]
end

-- The first that a job of this call names and nobody knows: {id, name}, or nil.
local function unknown_name()
  local own, i = {}, 2
  while i <= #ARGV do
    if ARGV[i + 4] == '2' then
      local after = i + 17 + 4 * ARGV[i + 16]
      for at = i + 17, after - 1, 4 do
        if not own[ARGV[at]] and not number_of(ARGV[at]) then return { ARGV[i], ARGV[at] } end
      end
      for at = after + 1, after + 3 * ARGV[after], 3 do
        if not own[ARGV[at]] and not number_of(ARGV[at]) then return { ARGV[i], ARGV[at] } end
      end
    end
    own[ARGV[i]] = true
    i = behind(i)
  end
end

-- Stores a job that is not known yet.
local function store(key, seq, number, i)
  local id, task, queue, payload, kind = unpack(ARGV, i, i + 4)
  local state, where, score
  if kind ~= '0' then
    state, where, score = heed(key, queue, seq, i)
  end
  if kind == '2' then
    local other = take_part(key, id, number, queue, i)
    if other then
      state, where = other, nil
    end
  end
  call('HSET', key, 't', task, 'q', queue, 'y', payload, 's', state or 'q', 'm', NOW)
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

local unknown = unknown_name()
if unknown then
  return unknown
end
local seq, i = call('INCRBY', P .. 'seq', ARGV[1]) - count, 2
while i <= #ARGV do
  local id = ARGV[i]
  seq = seq + 1
  local number = string.format('%.0f', seq)
  if call('HSETNX', JOB .. id, 'n', number) == 1 then
    numbers[id] = number
    store(JOB .. id, seq, number, i)
  end
  i = behind(i)
end
for queue in pairs(queues) do
  call('SADD', P .. 'queues', queue)
  wake(queue)
end
write()
connect_all()
return stored
