-- needs: clock jobs wake telling
-- ARGV: how many jobs, then for each: id, task, queue, payload, and 0; or 1 and what is unusual about it:
-- priority, options, delay, eta, ttl, expires, redeliver; or 2, the same, and its place in a workflow:
-- need, spare, join, workflow, how many edges and for each target, place, on and 1 if it lets the target grow; how many
-- it waits for and for each source, place, on. A job whose id is known is left alone.
-- Answers how many were stored; or {id, name} of a job and one that it names and nobody knows: then none was stored.
local count = tonumber(ARGV[1])
local seq = call('INCRBY', P .. 'seq', ARGV[1]) - count

-- What many jobs add to each sorted set, written in one command per key.
local standing, queues, index, stored = {}, {}, {}, 0
local state, where, score, number

-- Writes the unusual values of a job, which begin at ARGV[i], and tells where it stands by them.
local function heed(key, queue, i)
  local priority, options, delay, eta, ttl, expires, redeliver = unpack(ARGV, i, i + 6)
  if priority ~= '0' then
    score = place(seq, priority)
    call('HSET', key, 'p', priority)
  end
  local due = math.max(delay == '0' and 0 or now + delay, tonumber(eta))
  if due > now then
    state, where, score = 'd', P .. 'delayed:' .. queue, due
    call('HSET', key, 'd', due)
  end
  if options ~= '' then
    call('HSET', key, 'o', options)
  end
  if ttl ~= '0' or expires ~= '0' then
    local ends = tonumber(expires)
    if ttl ~= '0' and (ends == 0 or now + ttl < ends) then
      ends = now + ttl
    end
    call('HSET', key, 'i', 1, 'x', ends)
  end
  if redeliver ~= '1' then
    call('HSET', key, 'h', 0)
  end
end

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
  local known, i = {}, 2
  local function is_known(id)
    known[id] = known[id] or call('EXISTS', JOB .. id) == 1
    return known[id]
  end
  while i <= #ARGV do
    if ARGV[i + 4] == '2' then
      local after = i + 17 + 4 * ARGV[i + 16]
      for at = i + 17, after - 1, 4 do
        if not is_known(ARGV[at]) then return { ARGV[i], ARGV[at] } end
      end
      for at = after + 1, after + 3 * ARGV[after], 3 do
        if not is_known(ARGV[at]) then return { ARGV[i], ARGV[at] } end
      end
    end
    known[ARGV[i]] = true
    i = behind(i)
  end
end

-- What is to be done once all jobs stand where they belong.
local done, waiting = {}, {}

-- Writes how a job waits for others, whose terms begin when it is free.
local function block(key, id, queue, i, need, spare, is_join)
  local delay, eta, ttl, expires = unpack(ARGV, i + 7, i + 10)
  state, where, score = 'b', nil, number
  call('HSET', key, 'N', need, 'M', spare, 'F', need, 'G', spare)
  call('HDEL', key, 'd')
  if is_join then
    local ends = call('HGET', key, 'x')
    if ends then
      call('ZADD', P .. 'gates', ends, id)
    end
    return
  end
  where = P .. 'blocked:' .. queue
  if delay ~= '0' then call('HSET', key, 'D', delay) end
  if eta ~= '0' then call('HSET', key, 'E', eta) end
  if ttl ~= '0' then
    call('HSET', key, 'T', ttl)
    call('HDEL', key, 'x')
    if expires ~= '0' then call('HSET', key, 'x', expires) end
  end
end

-- Writes the place of a job in its workflow, from ARGV[i + 12] on, and draws its edges.
local function take_place(key, id, queue, i)
  local need, spare, is_join, workflow, edges = unpack(ARGV, i + 12, i + 16)
  if workflow ~= '' then
    call('HSET', key, 'W', workflow)
    call('ZADD', P .. 'workflow:' .. workflow, number, id)
  end
  if is_join == '1' then
    call('HSET', key, 'B', 1)
  end
  if tonumber(need) > 0 then
    block(key, id, queue, i, need, spare, is_join == '1')
  elseif is_join == '1' then
    state, where = 's', nil
    done[#done + 1] = id
  end
  local after = i + 17 + 4 * edges
  for at = i + 17, after - 1, 4 do
    local target, at_place, on, grows = unpack(ARGV, at, at + 3)
    lead(id, at_place .. ' ' .. on .. ' ' .. target)
    if grows == '1' and call('HGET', JOB .. target, 's') == 'b' then
      call('HINCRBY', JOB .. target, 'N', 1)
      call('HINCRBY', JOB .. target, 'F', 1)
    end
  end
  for at = after + 1, after + 3 * ARGV[after], 3 do
    waiting[#waiting + 1] = { ARGV[at], ARGV[at + 1] .. ' ' .. ARGV[at + 2] .. ' ' .. id }
  end
end

local unknown = unknown_name()
if unknown then
  return unknown
end
local i = 2
while i <= #ARGV do
  local id, task, queue, payload, kind = unpack(ARGV, i, i + 4)
  local key = JOB .. id
  seq = seq + 1
  number = string.format('%.0f', seq)
  if call('HSETNX', key, 'n', number) == 1 then
    stored = stored + 1
    state, where, score = 'q', P .. 'q:' .. queue, number
    if kind ~= '0' then
      heed(key, queue, i + 5)
    end
    if kind == '2' then
      take_place(key, id, queue, i)
    end
    call('HSET', key, 't', task, 'q', queue, 'y', payload, 's', state, 'm', NOW)
    queues[queue] = true
    if not where then
      call('ZADD', P .. 'all', number, id)
    elseif count == 1 then
      call('ZADD', where, score, id)
      call('ZADD', P .. 'all', number, id)
    else
      local places = standing[where]
      if not places then
        places = {}
        standing[where] = places
      end
      places[#places + 1] = score
      places[#places + 1] = id
      index[#index + 1] = number
      index[#index + 1] = id
    end
  end
  i = behind(i)
end

for key, places in pairs(standing) do
  call('ZADD', key, unpack(places))
end
if #index > 0 then
  call('ZADD', P .. 'all', unpack(index))
end
for queue in pairs(queues) do
  call('SADD', P .. 'queues', queue)
  wake(queue)
end
for _, id in ipairs(done) do
  finish(id, 's', '')
end
for _, each in ipairs(waiting) do
  lead(each[1], each[2])
end
tell_targets()
return stored
