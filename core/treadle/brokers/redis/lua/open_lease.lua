-- needs: clock pulse
-- ARGV: lease, ttl in ms. Answers 1, or 0 if the id was used before.
if call('EXISTS', P .. 'gone:' .. ARGV[1]) == 1 then
  return 0
end
local expiry = call('ZSCORE', P .. 'lease', ARGV[1])
if expiry == '0' then
  return 0
end
feel_pulse(tonumber(ARGV[2]))
call('ZADD', P .. 'lease', now + ARGV[2], ARGV[1])
return 1
