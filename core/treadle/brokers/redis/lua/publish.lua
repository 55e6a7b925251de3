-- needs: clock wake
-- ARGV: eleven values per job. A job whose id is known is left alone.
local count = #ARGV / 11
local seq = call('INCRBY', P .. 'seq', count) - count
local queued, delayed, index, queues = {}, {}, {}, {}

local function stand(places, queue, score, id)
  local standing = places[queue]
  if not standing then
    standing = {}
    places[queue] = standing
    queues[queue] = true
  end
  standing[#standing + 1] = score
  standing[#standing + 1] = id
end

for i = 1, #ARGV, 11 do
  local id, queue, priority, delay, eta = ARGV[i], ARGV[i + 2], ARGV[i + 3], ARGV[i + 6], ARGV[i + 7]
  local key = JOB .. id
  seq = seq + 1
  local number = string.format('%.0f', seq)
  if call('HSETNX', key, 'n', number) == 1 then
    local due = delay == '0' and 0 or now + delay
    if eta ~= '0' and tonumber(eta) > due then
      due = tonumber(eta)
    end
    local state = 'q'
    if due > now then
      state = 'd'
      stand(delayed, queue, due, id)
      call('HSET', key, 'd', due)
    else
      stand(queued, queue, priority == '0' and number or place(seq, priority), id)
    end
    call('HSET', key, 't', ARGV[i + 1], 'q', queue, 'y', ARGV[i + 4], 's', state, 'm', NOW)
    if priority ~= '0' then
      call('HSET', key, 'p', priority)
    end
    if ARGV[i + 5] ~= '' then
      call('HSET', key, 'o', ARGV[i + 5])
    end
    local ttl, expires = ARGV[i + 8], tonumber(ARGV[i + 9])
    if ttl ~= '0' and (expires == 0 or now + ttl < expires) then
      expires = now + ttl
    end
    if expires ~= 0 then
      call('HSET', key, 'i', 1, 'x', expires)
    end
    if ARGV[i + 10] ~= '1' then
      call('HSET', key, 'h', 0)
    end
    index[#index + 1] = number
    index[#index + 1] = id
  end
end

for queue, standing in pairs(queued) do
  call('ZADD', P .. 'q:' .. queue, unpack(standing))
end
for queue, standing in pairs(delayed) do
  call('ZADD', P .. 'delayed:' .. queue, unpack(standing))
end
for queue in pairs(queues) do
  call('SADD', P .. 'queues', queue)
  wake(queue)
end
if #index > 0 then
  call('ZADD', P .. 'all', unpack(index))
end
return #index / 2
