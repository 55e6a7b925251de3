-- lease: sorted set of open leases by expiry; score 0 means reaped, and not yet emptied.
-- held:<lease>: hash from the ids that run under it to their queues.

local function is_lost(lease)
  local expiry = call('ZSCORE', P .. 'lease', lease)
  return not expiry or expiry == '0'
end

-- Closes a reaped lease once it holds nothing. Its id is never good again.
local function close_if_empty(lease)
  if call('HLEN', P .. 'held:' .. lease) > 0 then
    return
  end
  call('ZREM', P .. 'lease', lease)
  call('DEL', P .. 'cancels:' .. lease, P .. 'epoch:' .. lease, P .. 'bell:' .. lease)
  call('SET', P .. 'gone:' .. lease, 1, 'EX', 604800)
end

-- Notices an outage: nobody renewed anything for half a lease. Recovery then waits for one whole lease.
local function feel_pulse(ttl)
  local pulse = call('GET', P .. 'pulse')
  if pulse and now - pulse > ttl / 2 then
    call('SET', P .. 'recover_after', now + ttl)
  end
  call('MSET', P .. 'pulse', now, P .. 'pulse_ttl', ttl)
end
