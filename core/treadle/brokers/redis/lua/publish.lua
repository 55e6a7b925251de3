-- needs: clock wake
-- ARGV: how many jobs, then for each: id, task, queue, payload, and 0; or 1 and what is unusual about it:
-- priority, options, delay, eta, ttl, expires, redeliver. A job whose id is known is left alone.
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

local i = 2
while i <= #ARGV do
  local id, task, queue, payload, is_unusual = unpack(ARGV, i, i + 4)
  local key = JOB .. id
  seq = seq + 1
  number = string.format('%.0f', seq)
  if call('HSETNX', key, 'n', number) == 1 then
    stored = stored + 1
    state, where, score = 'q', P .. 'q:' .. queue, number
    if is_unusual == '1' then
      heed(key, queue, i + 5)
    end
    call('HSET', key, 't', task, 'q', queue, 'y', payload, 's', state, 'm', NOW)
    queues[queue] = true
    if count == 1 then
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
  i = i + (is_unusual == '1' and 12 or 5)
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
return stored
