-- Closes a reaped lease once it holds nothing. Its id is never good again.
local function close_if_empty(lease)
  if call('HLEN', P .. 'held:' .. lease) > 0 then
    return
  end
  call('ZREM', P .. 'lease', lease)
  call('DEL', P .. 'cancels:' .. lease, P .. 'epoch:' .. lease, P .. 'bell:' .. lease)
  call('SET', P .. 'gone:' .. lease, 1, 'EX', 604800)
end
