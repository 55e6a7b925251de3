-- Lets one waiting consumer of the queue look.
local function wake(queue)
  call('ZADD', P .. 'marker:' .. queue, 0, '1')
end
