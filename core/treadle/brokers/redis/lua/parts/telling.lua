-- What the end of a job means to those that wait for it (treadle.edges).
--   N M: how many edges must still count, and how many may turn out not to; F G: the same at first
--   B: '1' stored as a join, '2' became one by being replaced   W: workflow
--   D delay, E eta, T ttl of a blocked job: they begin when it is free
--   O: the job has ended, and is in the list `owed` with those whose targets have not all been told; U: how many have
-- gates: sorted set by expiry.   blocked:<queue>: blocked jobs that are no joins.   workflow:<id>: by sequence.
local budget, owing = 500, false

-- Blocked jobs that are blocked no more, by the sorted set in which they stand.
local leaving = {}
local function leave(key, id)
  local list = leaving[key]
  if not list then
    list = {}
    leaving[key] = list
  end
  list[#list + 1] = id
end

-- What targets need, as far as it was looked up in this step.
local standing = {}

-- Lets a blocked job go that needs nothing more.
local function free(id)
  local key = JOB .. id
  local f = call('HMGET', key, 'q', 'n', 'p', 'D', 'E', 'T', 'x', 'B')
  if f[8] then
    leave(P .. 'gates', id)
    finish(id, 's', '')
    return
  end
  leave(P .. 'blocked:' .. f[1], id)
  if f[6] then
    local ends = now + f[6]
    call('HSET', key, 'i', 1, 'x', f[7] and math.min(ends, f[7]) or ends)
  end
  local due = math.max(now + (f[4] or 0), tonumber(f[5] or 0))
  if due > now then
    call('HSET', key, 's', 'd', 'd', due)
    add(P .. 'delayed:' .. f[1], due, id)
  else
    call('HSET', key, 's', 'q')
    add(P .. 'q:' .. f[1], place(f[2], f[3]), id)
  end
  wake(f[1])
end

-- Ends a blocked job that can never start.
local function lose(id, on, ending, err)
  leave(P .. 'blocked:' .. call('HGET', JOB .. id, 'q'), id)
  leave(P .. 'gates', id)
  if on == 'f' or ending == 'unneeded' then
    finish(id, 'c', 'unneeded')
  else
    finish(id, 'f', 'skipped', err)
  end
end

local function standing_of(id)
  local is = standing[id]
  if not is then
    local f = call('HMGET', JOB .. id, 's', 'N', 'M', 'B', 'n')
    is = { blocked = f[1] == 'b', need = tonumber(f[2] or 0), spare = tonumber(f[3] or 0), replaced = f[4] == '2' }
    is.number = f[5]
    standing[id] = is
  end
  return is
end

-- Lets a job go, or ends it, if that is decided now; else it is written later what it needs.
local function decide(id, is, on, ending, err)
  is.changed = true
  if is.need > 0 and is.spare >= 0 then
    return
  end
  is.blocked = false
  call('HSET', JOB .. id, 'N', is.need, 'M', is.spare)
  if is.need <= 0 then
    free(id)
  else
    lose(id, on, ending, err)
  end
end

local function counts(on, ending)
  return on == 'e' or (on == 's' and ending == 'success') or (on == 'f' and ending == 'failure')
end

-- Lets the end of a source count for a target.
local function follow(edge, ending, err)
  local at, on, number, target = split(edge)
  local is = standing_of(target)
  if not is.blocked or is.number ~= number or (is.replaced and at ~= RESULT_PLACE) then
    return
  end
  if counts(on, ending) then
    is.need = is.need - 1
  else
    is.spare = is.spare - 1
  end
  decide(target, is, on, ending, err)
end

local function ending_of(state, reason)
  if state == 's' then
    return 'success'
  end
  return reason == 'unneeded' and 'unneeded' or 'failure'
end

-- Lets somebody go on with what is owed, whatever queues they wait for.
local function wake_all()
  owing = true
  for _, queue in ipairs(call('SMEMBERS', P .. 'queues')) do
    wake(queue)
  end
end

-- Leaves the rest of a job's targets to the next step of anybody.
local function owe(id)
  call('HSET', JOB .. id, 'O', 1)
  call('RPUSH', P .. 'owed', id)
  if not owing then
    wake_all()
  end
end

-- Tells the targets of an ended job, as many as the budget allows. f: its state, reason, error, L, U.
local function tell_targets_of(id, f)
  local from, most = tonumber(f[5] or 0), budget
  local edges = most > 0 and edges_from(id, f[4], from, most) or {}
  local ending = ending_of(f[1], f[2])
  for _, edge in ipairs(edges) do
    follow(edge, ending, f[3] or '')
  end
  budget = most - #edges
  local told = from + #edges
  if budget == 0 and told < (f[4] == '+' and call('LLEN', P .. 'edges:' .. id) or 1) then
    call('HSET', JOB .. id, 'U', told)
    owe(id)
  elseif f[5] then
    call('HDEL', JOB .. id, 'U')
  end
end

-- Tells the targets of all that has ended in this script, and of what ends by that.
local function tell_targets()
  local at = 1
  while ENDED[at] do
    tell_targets_of(ENDED[at], ENDED[at + 1])
    at = at + 2
  end
  ENDED = {}
  for id, is in pairs(standing) do
    if is.blocked and is.changed then
      call('HSET', JOB .. id, 'N', is.need, 'M', is.spare)
    end
  end
  standing = {}
  -- At most as many as the budget lets end or go.
  for key, list in pairs(leaving) do
    call('ZREM', key, unpack(list))
  end
  leaving = {}
  write()
end

-- Goes on where a script before left off, with a job that was taken from `owed`, or nil.
local function tell_owed(id)
  while id do
    -- Not so for a new job of the same id.
    if call('HDEL', JOB .. id, 'O') == 1 then
      tell_targets_of(id, call('HMGET', JOB .. id, 's', 'z', 'e', 'L', 'U'))
      tell_targets()
    end
    id = budget > 0 and call('LPOP', P .. 'owed')
  end
  if budget == 0 and not owing and call('EXISTS', P .. 'owed') == 1 then
    wake_all()
  end
end

-- Lets a blocked job need one less, as nobody holds it shut any more; false if it is not blocked.
local function open_gate(id)
  local is = standing_of(id)
  if not is.blocked then
    return false
  end
  is.need = is.need - 1
  decide(id, is)
  return true
end
