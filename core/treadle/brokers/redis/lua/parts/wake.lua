local woken = {}

-- Lets one waiting consumer of the queue look.
local function wake(queue)
  if not woken[queue] then
    woken[queue] = true
    call('ZADD', P .. 'marker:' .. queue, 0, '1')
  end
end
