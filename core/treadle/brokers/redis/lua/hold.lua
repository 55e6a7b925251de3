-- needs: clock
-- ARGV: ttl in ms, ids of gates. Keeps them shut for so long; answers those that are not shut.
local over = {}
for i = 2, #ARGV do
  local key = JOB .. ARGV[i]
  local f = call('HMGET', key, 's', 'B')
  if f[1] ~= 'b' then
    over[#over + 1] = ARGV[i]
  elseif f[2] == '1' then
    call('HSET', key, 'x', now + ARGV[1])
    call('ZADD', P .. 'gates', now + ARGV[1], ARGV[i])
  end
end
return over
