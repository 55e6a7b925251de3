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

-- The values of a delivery, one after the other.
local WIDTH = 10

-- Hands the popped {id, score, ...} out to a lease; expired ones are ended instead.
local held = {}
local function hand_out(popped, queue, out, lease)
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

-- Takes one suspect, if one is left that has not expired.
local function take_suspect(queues, lease, answer)
  for _, queue in ipairs(queues) do
    for _ = 1, 100 do
      local popped = call('ZPOPMIN', P .. 'suspects:' .. queue)
      if #popped == 0 then break end
      local out = {}
      hand_out(popped, queue, out, lease)
      if #out > 0 then
        answer[1], answer[2] = queue, out
        return true
      end
    end
  end
  return false
end

-- Takes at most `limit` jobs, of each queue no more than a fair share; answers when the next one is due, or nil.
local function take(queues, limit, lease, answer)
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
      hand_out(popped, queue, out, lease)
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
local function open_queues(count)
  local paused, open, suspects = {}, {}, false
  for _, queue in ipairs(call('SMEMBERS', P .. 'paused')) do
    paused[queue] = true
  end
  for i = 6, 5 + count do
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
