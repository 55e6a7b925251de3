-- The part of a published job in its workflow; ARGV[i] is where its arguments begin, see publish.lua.

-- Adds to the fields of a new job.
local function put(fields, name, value)
  local n = #fields
  fields[n + 1], fields[n + 2] = name, value
end

-- How a job waits for others. Terms begin when it is free, but those of a gate, which run already.
local function block(key, id, number, queue, i, is_join, fields)
  local delay, eta, ttl, expires, redeliver, need, spare = unpack(ARGV, i + 7, i + 13)
  put(fields, 'N', need)
  put(fields, 'M', spare)
  put(fields, 'F', need)
  put(fields, 'G', spare)
  if is_join then
    local ends = call('HGET', key, 'x')
    if ends then
      add(P .. 'gates', ends, id)
    end
    return
  end
  add(P .. 'blocked:' .. queue, number, id)
  if delay ~= '0' then put(fields, 'D', delay) end
  if eta ~= '0' then put(fields, 'E', eta) end
  if ttl ~= '0' then
    put(fields, 'T', ttl)
    call('HDEL', key, 'x')
    if expires ~= '0' then put(fields, 'x', expires) end
  end
end

-- Numbers of jobs that are named in this step, by id.
local numbers = {}
local function number_of(id)
  numbers[id] = numbers[id] or call('HGET', JOB .. id, 'n')
  return numbers[id]
end

-- What is done once all jobs stand where they belong: joins of none end, targets grow, and what is waited for leads.
local done, growth, sources, leading = {}, {}, {}, {}

-- Notes that a job which is known leads to another one.
local function let_lead(source, at_place, on, number, id)
  if not leading[source] then
    leading[source] = {}
    sources[#sources + 1] = source
  end
  table.insert(leading[source], { at_place, on, number, id })
end

-- Notes those edges of a job that were not known of it when it was stored.
local function connect_again(id, i)
  local number = number_of(id)
  for at = i + 17, i + 16 + 4 * ARGV[i + 16], 4 do
    local target, at_place, on, grows = unpack(ARGV, at, at + 3)
    if not call('ZSCORE', P .. 'sources:' .. target, edge_of(at_place, on, number, id)) then
      let_lead(id, at_place, on, number_of(target), target)
      if grows == '1' then
        growth[target] = (growth[target] or 0) + 1
      end
    end
  end
end

-- Draws the edges of a new job, and notes what it waits for; its in-edges come last.
local function connect(id, number, i, fields)
  local count, drawn = tonumber(ARGV[i + 16]), {}
  local at = i + 17
  for n = 1, count do
    local target, at_place, on, grows = unpack(ARGV, at, at + 3)
    drawn[n] = edge_of(at_place, on, number_of(target), target)
    add(P .. 'sources:' .. target, at_place, edge_of(at_place, on, number, id))
    if grows == '1' then
      growth[target] = (growth[target] or 0) + 1
    end
    at = at + 4
  end
  if count == 1 then
    put(fields, 'i', 1)
    put(fields, 'L', drawn[1])
  elseif count > 1 then
    draw(id, nil, drawn)
  end
  for after = at + 1, at + 3 * ARGV[at], 3 do
    let_lead(ARGV[after], ARGV[after + 1], ARGV[after + 2], number, id)
  end
end

-- What a job is in its workflow: its fields, and its state if it does not stand where others do.
local function take_part(key, id, number, queue, i)
  local need, spare, is_join, workflow = unpack(ARGV, i + 12, i + 15)
  local fields, state = {}, nil
  if workflow ~= '' then
    put(fields, 'W', workflow)
    add(P .. 'workflow:' .. workflow, number, id)
  end
  if is_join == '1' then
    put(fields, 'B', 1)
  end
  connect(id, number, i, fields)
  if tonumber(need) > 0 then
    call('HDEL', key, 'd')
    block(key, id, number, queue, i, is_join == '1', fields)
    state = 'b'
  elseif is_join == '1' then
    done[#done + 1] = id
    state = 's'
  end
  return fields, state
end

-- Does what had to wait until all jobs of the step are stored.
local function connect_all()
  for target, more in pairs(growth) do
    if call('HGET', JOB .. target, 's') == 'b' then
      call('HINCRBY', JOB .. target, 'N', more)
      call('HINCRBY', JOB .. target, 'F', more)
    end
  end
  for _, id in ipairs(done) do
    finish(id, 's', '')
  end
  for _, source in ipairs(sources) do
    lead(source, leading[source])
  end
  tell_targets()
end

-- The first that a job of this call names and nobody knows: {id, name}, or nil.
local function unknown_name()
  local own, i = {}, 3
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

return {
  take_part = take_part,
  connect_again = connect_again,
  connect_all = connect_all,
  unknown_name = unknown_name,
  numbers = numbers,
}
