-- needs: clock
-- ARGV: ttl in ms, ids of gates. Keeps them shut for so long; answers those that are not shut.
local over = {}
for i = 2, #ARGV do
  local key = JOB .. ARGV[i]
  if call('HGET', key, 's') == 'b' then
    call('HSET', key, 'x', now + ARGV[1])
    call('ZADD', P .. 'gates', now + ARGV[1], ARGV[i])
  else
    over[#over + 1] = ARGV[i]
  end
end
return over
