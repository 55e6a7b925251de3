-- needs: clock leases pulse
-- ARGV: ttl in ms, leases. Answers those that are gone.
local ttl, gone, renewed = tonumber(ARGV[1]), {}, {}
for i = 2, #ARGV do
  if is_lost(ARGV[i]) then
    gone[#gone + 1] = ARGV[i]
  else
    renewed[#renewed + 1] = now + ttl
    renewed[#renewed + 1] = ARGV[i]
  end
end
if #renewed > 0 then
  feel_pulse(ttl)
  call('ZADD', P .. 'lease', unpack(renewed))
end
return gone
