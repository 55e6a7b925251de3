-- Lets one waiting consumer of the queue look. Where there is a marker, the queue is known already.
local function wake(queue)
  if call('ZADD', P .. 'marker:' .. queue, 0, '1') == 1 then
    call('SADD', P .. 'queues', queue)
  end
end
