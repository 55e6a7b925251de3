-- needs: clock jobs wake telling leases
-- Settles deliveries, then claims the next ones.
-- ARGV: lease, epoch, limit, idle, number of queues, the queues; then the settlements, each
-- beginning with kind, id, key (the sequence: the same id may have been deleted and published again), receipt:
--   S result                  complete
--   F reason error            fail
--   C reason error            cancel
--   R suspect                 release
--   T delay error given payload options queue priority     retry; `given` is a string of p o q i
--   P source gate             replace
-- Answers {0 or LOST, SUSPECTS_WAIT, TOOK_SUSPECT, OTHER_EPOCH; ms to the next due time or -1; refused ids;
--          {queue, {WIDTH values a delivery}, queue, ...}}
local LOST, SUSPECTS_WAIT, TOOK_SUSPECT, OTHER_EPOCH = 1, 2, 3, 4
local WIDTH = 10
local lease, epoch, limit, idle, queue_count = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4] == '1', tonumber(ARGV[5])
local LENGTH = { S = 5, F = 6, C = 6, R = 5, T = 11, P = 6 }

-- What the settlements change in sorted sets and held hashes, written in one command per key.
local adds, removals = {}, {}
local function add(key, score, id)
  local list = adds[key]
  if not list then
    list = {}
    adds[key] = list
  end
  local n = #list
  list[n + 1], list[n + 2] = score, id
end

local refused, NOTHING, SUCCEEDED = {}, {}, P .. 'final:s'

-- The end that nearly all jobs come to, so it is written out; the others go through `finish`.
local function complete(key, id, result, attempt, rare)
  if result == '' then
    call('HSET', key, 's', 's', 'a', attempt, 'f', NOW)
  else
    call('HSET', key, 's', 's', 'a', attempt, 'f', NOW, 'v', result)
  end
  add(SUCCEEDED, NOW_US, id)
  if rare ~= NOTHING then
    call('HDEL', key, 'w', 'j', 'J', 'u')
  end
  if rare[2] then
    tell(rare[2], id)
  end
  if rare[4] then
    ENDED[#ENDED + 1] = id
  end
end

-- Writes what a retry changes of its job. ARGV from `i`: a string of the letters of what is given, the four values.
local function change(key, i)
  local fields = { p = 'y', o = 'o', q = 'q', i = 'p' }
  for at, letter in ipairs({ 'p', 'o', 'q', 'i' }) do
    if string.find(ARGV[i], letter, 1, true) then
      call('HSET', key, fields[letter], ARGV[i + at])
    end
  end
  if string.find(ARGV[i], 'q', 1, true) then
    call('SADD', P .. 'queues', ARGV[i + 3])
  end
end

local function retry(key, id, delay, err, i)
  call('HDEL', key, 'j', 'J', 'u')
  call('HSET', key, 'e', err)
  if ARGV[i] ~= '' then
    change(key, i)
  end
  local at = call('HMGET', key, 'q', 'n', 'p')
  if delay > 0 then
    call('HSET', key, 's', 'd', 'd', now + delay)
    add(P .. 'delayed:' .. at[1], now + delay, id)
  else
    call('HSET', key, 's', 'q')
    add(P .. 'q:' .. at[1], place(at[2], at[3]), id)
  end
  wake(at[1])
end

-- A verdict stays: it was not carried out.
local function release(key, id, suspect)
  local at = call('HMGET', key, 'q', 'n', 'p')
  if suspect then
    call('HSET', key, 's', 'q', 'i', 1, 'u', 1)
  else
    call('HSET', key, 's', 'q')
    call('HDEL', key, 'u')
  end
  add(P .. (suspect and 'suspects:' or 'q:') .. at[1], place(at[2], at[3]), id)
  wake(at[1])
end

-- Lets the end of another job be this one's, and opens the gate before that one.
local function replace(key, id, source, gate)
  if call('HSETNX', key, 'W', id) == 1 then -- a job of no workflow begins one by it
    call('ZADD', P .. 'workflow:' .. id, call('HGET', key, 'n'), id)
  end
  if call('EXISTS', JOB .. source) == 0 then
    finish(id, 'f', 'skipped')
    return
  end
  call('HDEL', key, 'j', 'J', 'u', 'e')
  call('HSET', key, 's', 'b', 'B', 2, 'N', 1, 'M', 0, 'F', 1, 'G', 0)
  lead(source, RESULT_PLACE .. ' s ' .. id)
  open_gate(gate)
end

-- Ends a job that was to be replaced and is cancelled, and what was to replace it.
local function revoke_both(id, gate)
  finish(id, 'c', 'revoked')
  local f = call('HMGET', JOB .. gate, 's', 'q')
  if f[1] == 'b' then
    pull(gate, 'b', f[2])
    finish(gate, 'c', 'revoked')
  end
end

-- Carries out the settlement at ARGV[i] of a job that runs under the lease `holder`.
local function settle(i, key, holder, rare)
  local kind, id, receipt, first, second = ARGV[i], ARGV[i + 1], ARGV[i + 3], ARGV[i + 4], ARGV[i + 5]
  local attempt, cancelling = rare[1] and rare[1] + 1 or '1', rare[3]
  if cancelling then
    call('HDEL', P .. 'cancels:' .. holder, id)
  end
  if kind == 'S' then
    complete(key, id, first, attempt, rare)
  elseif kind == 'F' then
    call('HSET', key, 'a', attempt)
    finish(id, 'f', first, second)
  elseif kind == 'C' then
    finish(id, 'c', first, second)
  elseif kind == 'T' then
    call('HSET', key, 'i', 1, 'a', attempt, 'R', receipt)
    if cancelling then
      finish(id, 'c', 'revoked', second)
    else
      retry(key, id, tonumber(first), second, i + 6)
    end
  elseif kind == 'P' then
    call('HSET', key, 'i', 1, 'a', attempt, 'R', receipt)
    if cancelling then
      revoke_both(id, second)
    else
      replace(key, id, first, second)
    end
  else
    call('HSET', key, 'R', receipt)
    if cancelling then
      finish(id, 'c', 'revoked')
    else
      release(key, id, first == '1')
    end
  end
end

local function settle_all()
  local i, last = 6 + queue_count, #ARGV
  while i <= last do
    local id, receipt = ARGV[i + 1], ARGV[i + 3]
    local key = JOB .. id
    local f = call('HMGET', key, 's', 'r', 'l', 'n', 'i')
    local same = f[4] == ARGV[i + 2]
    if same and f[1] == 'r' and f[2] == receipt then
      local held = P .. 'held:' .. f[3]
      removals[held] = removals[held] or {}
      table.insert(removals[held], id)
      settle(i, key, f[3], f[5] and call('HMGET', key, 'a', 'w', 'k', 'L') or NOTHING)
    elseif not (same and ((f[1] ~= 'r' and f[2] == receipt) or call('HGET', key, 'R') == receipt)) then
      refused[#refused + 1] = id
    end
    i = i + LENGTH[ARGV[i]]
  end
  for key, list in pairs(adds) do
    call('ZADD', key, unpack(list))
  end
  for key, list in pairs(removals) do
    call('HDEL', key, unpack(list))
  end
  if #refused > 0 then
    call('HINCRBY', P .. 'stats', 'stale_acks', #refused)
  end
end

-- Queues at most 500 due jobs; answers when the next one is due, or nil.
local function promote(queue)
  local key = P .. 'delayed:' .. queue
  local head = call('ZRANGE', key, 0, 0, 'WITHSCORES')
  if not head[1] or tonumber(head[2]) > now then
    return tonumber(head[2])
  end
  local due = call('ZRANGEBYSCORE', key, '-inf', now, 'LIMIT', 0, 500)
  local standing = {}
  for i, id in ipairs(due) do
    local job = JOB .. id
    local f = call('HMGET', job, 'n', 'p')
    call('HSET', job, 's', 'q')
    standing[2 * i - 1], standing[2 * i] = place(f[1], f[2]), id
  end
  call('ZADD', P .. 'q:' .. queue, unpack(standing))
  call('ZREM', key, unpack(due))
  return tonumber(call('ZRANGE', key, 0, 0, 'WITHSCORES')[2])
end

-- Hands the popped {id, score, ...} out to this lease; expired ones are ended instead.
local held = {}
local function hand_out(popped, queue, out)
  for i = 1, #popped, 2 do
    local id = popped[i]
    local key = JOB .. id
    local f = call('HMGET', key, 't', 'y', 'o', 'r', 'n', 'i')
    local rare = f[6] and call('HMGET', key, 'a', 'c', 'x', 'j') or NOTHING
    -- A verdict is no start, so it outlives the expiry.
    if rare[3] and tonumber(rare[3]) <= now and not rare[4] then
      finish(id, 'c', 'expired')
    elseif f[1] then
      local receipt = f[4] and f[4] + 1 or '1'
      call('HSET', key, 's', 'r', 'r', receipt, 'l', lease, 'b', NOW)
      held[#held + 1] = id
      held[#held + 1] = queue
      local n = #out
      out[n + 1], out[n + 2], out[n + 3], out[n + 4] = id, f[1], f[2], f[3]
      out[n + 5], out[n + 6] = -math.floor(popped[i + 1] / SPAN), receipt
      out[n + 7], out[n + 8] = rare[1] or false, rare[2] or false
      out[n + 9], out[n + 10] = rare[4] or false, f[5]
    end
  end
end

local function take_suspect(queues, answer)
  for _, queue in ipairs(queues) do
    for _ = 1, 100 do
      local popped = call('ZPOPMIN', P .. 'suspects:' .. queue)
      if #popped == 0 then break end
      local out = {}
      hand_out(popped, queue, out)
      if #out > 0 then
        answer[1], answer[2] = queue, out
        return true
      end
    end
  end
  return false
end

local function take(queues, answer)
  local live = math.max(1, call('ZCOUNT', P .. 'lease', now, '+inf'))
  local next_due
  for _, queue in ipairs(queues) do
    local due = promote(queue)
    if due and (not next_due or due < next_due) then
      next_due = due
    end
    local key = P .. 'q:' .. queue
    local ready = call('ZCARD', key)
    local wanted, out, taken, budget = math.min(limit, math.ceil(ready / live)), {}, 0, 1000
    while taken < wanted and budget > 0 do
      local popped = call('ZPOPMIN', key, wanted - taken)
      if #popped == 0 then break end
      hand_out(popped, queue, out)
      ready, budget, taken = ready - #popped / 2, budget - #popped / 2, #out / WIDTH
    end
    if ready > 0 then
      wake(queue)
    end
    if #out > 0 then
      limit = limit - taken
      answer[#answer + 1] = queue
      answer[#answer + 1] = out
    end
  end
  return next_due
end

-- Those of the queues that are not paused, and whether suspects wait in one of them.
local function open_queues()
  local paused, open, suspects = {}, {}, false
  for _, queue in ipairs(call('SMEMBERS', P .. 'paused')) do
    paused[queue] = true
  end
  for i = 6, 5 + queue_count do
    local queue = ARGV[i]
    if not paused[queue] then
      open[#open + 1] = queue
      if call('EXISTS', P .. 'suspects:' .. queue) == 1 then
        suspects = true
        wake(queue)
      end
    end
  end
  return open, suspects
end

tell_owed()
settle_all()
tell_targets()
if limit == 0 then
  return { 0, -1, refused, {} }
end
if is_lost(lease) then
  return { LOST, -1, refused, {} }
end
-- A call that was given up by its sender and comes late: nobody would hear of the jobs.
if (call('GET', P .. 'epoch:' .. lease) or '0') ~= epoch then
  return { OTHER_EPOCH, -1, refused, {} }
end
local queues, suspects = open_queues()
if suspects and not idle then
  return { SUSPECTS_WAIT, -1, refused, {} }
end
local answer, next_due, status = {}, nil, 0
if suspects and take_suspect(queues, answer) then
  status = TOOK_SUSPECT
else
  next_due = take(queues, answer)
end
if #held > 0 then
  call('HSET', P .. 'held:' .. lease, unpack(held))
end
tell_targets()
if call('EXISTS', P .. 'owed') == 1 then
  next_due = now
end
return { status, next_due and math.max(0, next_due - now) or -1, refused, answer }
