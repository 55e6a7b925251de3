-- Notices an outage: nobody renewed anything for half a lease. Recovery then waits for one whole lease.
local function feel_pulse(ttl)
  local pulse = call('GET', P .. 'pulse')
  if pulse and now - pulse > ttl / 2 then
    call('SET', P .. 'recover_after', now + ttl)
  end
  call('MSET', P .. 'pulse', now, P .. 'pulse_ttl', ttl)
end
