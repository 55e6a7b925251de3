-- needs: clock wake
-- ARGV: eleven values per job. A job whose id is known is left alone.
local count = #ARGV / 11
local seq = call('INCRBY', P .. 'seq', count) - count

-- Stores the job whose values begin at ARGV[i]; gives its sequence number and the key and score of where it
-- stands then, or nothing if its id is known.
local function store(i)
  local id, task, queue, priority, payload, options, delay, eta, ttl, expires, redeliver = unpack(ARGV, i, i + 10)
  local key = JOB .. id
  seq = seq + 1
  local number = string.format('%.0f', seq)
  if call('HSETNX', key, 'n', number) == 0 then
    return
  end
  local due = delay == '0' and 0 or now + delay
  if eta ~= '0' and tonumber(eta) > due then
    due = tonumber(eta)
  end
  local waits = due > now
  call('HSET', key, 't', task, 'q', queue, 'y', payload, 's', waits and 'd' or 'q', 'm', NOW)
  if waits then
    call('HSET', key, 'd', due)
  end
  if priority ~= '0' then
    call('HSET', key, 'p', priority)
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
  if waits then
    return number, P .. 'delayed:' .. queue, due
  end
  return number, P .. 'q:' .. queue, priority == '0' and number or place(seq, priority)
end

local function announce(queue)
  call('SADD', P .. 'queues', queue)
  wake(queue)
end

-- One job, as most calls publish it, needs no lists.
if count == 1 then
  local number, where, score = store(1)
  if not number then
    return 0
  end
  call('ZADD', where, score, ARGV[1])
  call('ZADD', P .. 'all', number, ARGV[1])
  announce(ARGV[3])
  return 1
end

local index, standing, queues = {}, {}, {}
for i = 1, #ARGV, 11 do
  local number, where, score = store(i)
  if number then
    local places = standing[where]
    if not places then
      places = {}
      standing[where] = places
      queues[ARGV[i + 2]] = true
    end
    places[#places + 1] = score
    places[#places + 1] = ARGV[i]
    index[#index + 1] = number
    index[#index + 1] = ARGV[i]
  end
end
for where, places in pairs(standing) do
  call('ZADD', where, unpack(places))
end
for queue in pairs(queues) do
  announce(queue)
end
if #index > 0 then
  call('ZADD', P .. 'all', unpack(index))
end
return #index / 2
