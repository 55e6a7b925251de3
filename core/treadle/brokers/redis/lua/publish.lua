-- needs: clock jobs wake telling
-- ARGV: how many jobs, then for each: id, task, queue, payload, and 0; or 1 and what is unusual about it:
-- priority, options, delay, eta, ttl, expires, redeliver; or 2, the same, and its place in a workflow:
-- need, spare, join, workflow, how many edges and for each target, place, on and 1 if it lets the target grow; how many
-- it waits for and for each source, place, on. A job whose id is known is left alone.
-- Answers how many were stored; or {id, name} of a job and one that it names and nobody knows: then none was stored.
local count = tonumber(ARGV[1])
local seq = call('INCRBY', P .. 'seq', ARGV[1]) - count

-- What many jobs add to each sorted set, written in one command per key.
local standing_in, queues, stored = {}, {}, 0
local state, where, score, number
local function stand(key, at, member)
  local places = standing_in[key]
  if not places then
    places = {}
    standing_in[key] = places
  end
  local n = #places
  places[n + 1], places[n + 2] = at, member
end

-- The fields of the job that is being written, beyond those that every job has.
local fields
local function put(name, value)
  local n = #fields
  fields[n + 1], fields[n + 2] = name, value
end

-- Notes the unusual values of a job, which begin at ARGV[i], and where it stands by them. A job that is to wait for
-- others has its terms only when it is free.
local function heed(queue, i, is_blocked)
  local priority, options, delay, eta, ttl, expires, redeliver = unpack(ARGV, i, i + 6)
  if priority ~= '0' then
    score = place(seq, priority)
    put('p', priority)
  end
  local due = math.max(delay == '0' and 0 or now + delay, tonumber(eta))
  if is_blocked then
    if delay ~= '0' then put('D', delay) end
    if eta ~= '0' then put('E', eta) end
    if ttl ~= '0' then put('T', ttl) end
    ttl = '0'
  elseif due > now then
    state, where, score = 'd', P .. 'delayed:' .. queue, due
    put('d', due)
  end
  if options ~= '' then
    put('o', options)
  end
  local ends = tonumber(expires)
  if ttl ~= '0' and (ends == 0 or now + ttl < ends) then
    ends = now + ttl
  end
  if ends > 0 then
    put('i', 1)
    put('x', ends)
  end
  if redeliver ~= '1' then
    put('h', 0)
  end
  return ends
end

-- What is to be done once all jobs stand where they belong.
local done, waiting = {}, {}

-- Notes the edges of a new job, from ARGV[i] on.
local function draw_edges(id, i, edges)
  if edges > 0 then
    put('i', 1)
    put('L', edges == 1 and ARGV[i + 1] .. ' ' .. ARGV[i + 2] .. ' ' .. ARGV[i] or '+')
  end
  for at = i, i + 4 * edges - 1, 4 do
    local target, at_place, on, grows = unpack(ARGV, at, at + 3)
    if edges > 1 then
      call('RPUSH', P .. 'edges:' .. id, at_place .. ' ' .. on .. ' ' .. target)
    end
    stand(P .. 'sources:' .. target, at_place, at_place .. ' ' .. on .. ' ' .. id)
    if grows == '1' and call('HGET', JOB .. target, 's') == 'b' then
      call('HINCRBY', JOB .. target, 'N', 1)
      call('HINCRBY', JOB .. target, 'F', 1)
    end
  end
end

-- Notes the place of a job in its workflow, from ARGV[i] on.
local function take_place(id, queue, i, ends)
  local need, spare, is_join, workflow, edges = unpack(ARGV, i, i + 4)
  if workflow ~= '' then
    put('W', workflow)
    stand(P .. 'workflow:' .. workflow, number, id)
  end
  if is_join == '1' then
    put('B', 1)
  end
  if need ~= '0' then
    put('N', need)
    put('M', spare)
    put('F', need)
    put('G', spare)
    state, where, score = 'b', is_join ~= '1' and P .. 'blocked:' .. queue, number
    if is_join == '1' and ends > 0 then
      stand(P .. 'gates', ends, id)
    end
  elseif is_join == '1' then
    state, where = 's', nil
    done[#done + 1] = id
  end
  draw_edges(id, i + 5, tonumber(edges))
  local after = i + 5 + 4 * edges
  for at = after + 1, after + 3 * ARGV[after], 3 do
    waiting[#waiting + 1] = { ARGV[at], ARGV[at + 1] .. ' ' .. ARGV[at + 2] .. ' ' .. id }
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

local function store(i)
  local id, task, queue, payload, kind = unpack(ARGV, i, i + 4)
  local key = JOB .. id
  if call('HSETNX', key, 'n', number) == 0 then
    return
  end
  stored = stored + 1
  state, where, score = 'q', P .. 'q:' .. queue, number
  queues[queue] = true
  if kind == '0' then
    call('HSET', key, 't', task, 'q', queue, 'y', payload, 's', state, 'm', NOW)
  else
    fields = { 't', task, 'q', queue, 'y', payload, 'm', NOW }
    local ends = heed(queue, i + 5, kind == '2' and ARGV[i + 12] ~= '0' and ARGV[i + 14] ~= '1')
    if kind == '2' then
      take_place(id, queue, i + 12, ends)
    end
    put('s', state)
    call('HSET', key, unpack(fields))
  end
  if count == 1 and kind ~= '2' then
    call('ZADD', where, score, id)
    call('ZADD', P .. 'all', number, id)
  else
    if where then
      stand(where, score, id)
    end
    stand(P .. 'all', number, id)
  end
end

local unknown = unknown_name()
if unknown then
  return unknown
end
local i = 2
while i <= #ARGV do
  seq = seq + 1
  number = string.format('%.0f', seq)
  store(i)
  i = behind(i)
end
for key, places in pairs(standing_in) do
  for at = 1, #places, 4000 do
    call('ZADD', key, unpack(places, at, math.min(at + 3999, #places)))
  end
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
