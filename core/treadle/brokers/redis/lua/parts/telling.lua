-- What the end of a job means to those that wait for it (treadle.edges).
-- An edge is written as `place on target`, with on = s success, f failure, e end; at the other side as
-- `place on source`.
--   L: the one edge of a job, or '+': then they are in the list edges:<id>
--   sources:<id>: sorted set by place of the edges that lead to a job
--   N M: how many edges must still count, and how many may turn out not to; F G: the same at first
--   B: '1' stored as a join, '2' became one by being replaced   W: workflow
--   D delay, E eta, T ttl of a blocked job: they begin when it is free
--   O: the job has ended, and is in the list `owed` with those whose targets have not all been told; U: how many have
-- gates: sorted set by expiry.   blocked:<queue>: blocked jobs that are no joins.   workflow:<id>: by sequence.
local budget, RESULT_PLACE = 500, -2

-- What targets still need, as long as they are only counted down.
local standing = {}

local function split(edge)
  local place, on, id = string.match(edge, '^(%-?%d+) (%a) (.*)$')
  return tonumber(place), on, id
end

local function leave_blocked(id, queue)
  call('ZREM', P .. 'blocked:' .. queue, id)
  call('ZREM', P .. 'gates', id)
end

-- Lets a blocked job go that needs nothing more.
local function free(id)
  local key = JOB .. id
  local f = call('HMGET', key, 'q', 'n', 'p', 'D', 'E', 'T', 'x', 'B')
  leave_blocked(id, f[1])
  if f[8] then
    finish(id, 's', '')
    return
  end
  if f[6] then
    local ends = now + f[6]
    call('HSET', key, 'i', 1, 'x', f[7] and math.min(ends, f[7]) or ends)
  end
  local due = math.max(now + (f[4] or 0), tonumber(f[5] or 0))
  if due > now then
    call('HSET', key, 's', 'd', 'd', due)
    call('ZADD', P .. 'delayed:' .. f[1], due, id)
  else
    call('HSET', key, 's', 'q')
    call('ZADD', P .. 'q:' .. f[1], place(f[2], f[3]), id)
  end
  wake(f[1])
end

-- Ends a blocked job that can never start.
local function lose(id, on, ending, err)
  leave_blocked(id, call('HGET', JOB .. id, 'q'))
  if on == 'f' or ending == 'unneeded' then
    finish(id, 'c', 'unneeded')
  else
    finish(id, 'f', 'skipped', err)
  end
end

local function standing_of(target)
  if not standing[target] then
    local f = call('HMGET', JOB .. target, 's', 'N', 'M', 'B')
    standing[target] = { f[1] == 'b', tonumber(f[2] or 0), tonumber(f[3] or 0), f[4] == '2' }
  end
  return standing[target]
end

-- Lets the end of a source count for a target.
local function follow(edge, ending, err)
  local at, on, target = split(edge)
  local is = standing_of(target)
  if not is[1] or (is[4] and at ~= RESULT_PLACE) then
    return
  end
  if on == 'e' or (on == 's' and ending == 'success') or (on == 'f' and ending == 'failure') then
    is[2] = is[2] - 1
  else
    is[3] = is[3] - 1
  end
  is[5] = true
  if is[2] <= 0 then
    standing[target] = { false }
    free(target)
  elseif is[3] < 0 then
    standing[target] = { false }
    lose(target, on, ending, err)
  end
end

local function ending_of(state, reason)
  if state == 's' then
    return 'success'
  end
  return reason == 'unneeded' and 'unneeded' or 'failure'
end

local function owe(id)
  call('HSET', JOB .. id, 'O', 1)
  call('RPUSH', P .. 'owed', id)
end

-- Tells the targets of an ended job, as many as the budget allows; the rest is owed.
local function tell_targets_of(id)
  local f = call('HMGET', JOB .. id, 's', 'z', 'e', 'L', 'U')
  if not f[4] or not FINAL[f[1]] then
    return
  end
  local ending, err, from = ending_of(f[1], f[2]), f[3] or '', tonumber(f[5] or 0)
  local edges = {}
  if f[4] == '+' then
    edges = call('LRANGE', P .. 'edges:' .. id, from, from + budget - 1)
  elseif from == 0 then
    edges = { f[4] }
  end
  for _, edge in ipairs(edges) do
    follow(edge, ending, err)
  end
  budget = budget - #edges
  if f[4] == '+' and from + #edges < call('LLEN', P .. 'edges:' .. id) then
    call('HSET', JOB .. id, 'U', from + #edges)
    owe(id)
  elseif f[5] then
    call('HDEL', JOB .. id, 'U')
  end
end

-- Tells the targets of all that has ended in this script, and of what ends by that.
local function tell_targets()
  local at = 1
  while ENDED[at] do
    if budget > 0 then
      tell_targets_of(ENDED[at])
    else
      owe(ENDED[at])
    end
    at = at + 1
  end
  ENDED = {}
  for target, is in pairs(standing) do
    if is[1] and is[5] then
      call('HSET', JOB .. target, 'N', is[2], 'M', is[3])
    end
  end
  standing = {}
end

-- Goes on where a script before left off.
local function tell_owed()
  while budget > 0 do
    local id = call('LPOP', P .. 'owed')
    if not id then break end
    call('HDEL', JOB .. id, 'O')
    tell_targets_of(id)
    tell_targets()
  end
end

-- Draws an edge from a job that is known to one that waits. An end that all others have been told of counts at once.
local function lead(source, edge)
  local key = JOB .. source
  local f = call('HMGET', key, 's', 'z', 'e', 'L', 'O')
  if not f[4] then
    call('HSET', key, 'L', edge, 'i', 1)
  else
    if f[4] ~= '+' then
      call('RPUSH', P .. 'edges:' .. source, f[4])
      call('HSET', key, 'L', '+')
    end
    call('RPUSH', P .. 'edges:' .. source, edge)
  end
  local at, on, target = split(edge)
  call('ZADD', P .. 'sources:' .. target, at, at .. ' ' .. on .. ' ' .. source)
  if FINAL[f[1]] and not f[5] then
    follow(edge, ending_of(f[1], f[2]), f[3] or '')
  end
end

-- Lets a gate need one less; false if it is not shut.
local function open_gate(id)
  local f = call('HMGET', JOB .. id, 's', 'N')
  if f[1] ~= 'b' then
    return false
  end
  if tonumber(f[2]) > 1 then
    call('HINCRBY', JOB .. id, 'N', -1)
  else
    free(id)
  end
  return true
end
