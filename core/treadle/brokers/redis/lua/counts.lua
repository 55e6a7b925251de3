-- needs: clock jobs
-- Answers {queue, queued, scheduled, paused, age of the oldest queued job in ms, blocked, ...} over all queues.

-- The oldest of a queue is the first of one of its priorities: there are at most 201 to look at.
local function oldest(queue)
  local key, age, from = P .. 'q:' .. queue, 0, '-inf'
  for _ = 1, 201 do
    local head = call('ZRANGEBYSCORE', key, from, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
    if not head[1] then break end
    local f = call('HMGET', JOB .. head[1], 'm', 'd')
    age = math.max(age, now - math.max(f[1] or now, f[2] or 0))
    from = string.format('%.0f', (math.floor(head[2] / SPAN) + 1) * SPAN)
  end
  return age
end

local rows = {}
for _, queue in ipairs(call('SMEMBERS', P .. 'queues')) do
  local n = #rows
  rows[n + 1] = queue
  rows[n + 2] = call('ZCARD', P .. 'q:' .. queue) + call('ZCARD', P .. 'suspects:' .. queue)
  rows[n + 3] = call('ZCARD', P .. 'delayed:' .. queue)
  rows[n + 4] = call('SISMEMBER', P .. 'paused', queue)
  rows[n + 5] = oldest(queue)
  rows[n + 6] = call('ZCARD', P .. 'blocked:' .. queue)
end
return rows
