-- needs: clock
-- ARGV: id, key, receipt, progress. Answers 1 if the receipt is the current one.
local key = JOB .. ARGV[1]
local f = call('HMGET', key, 's', 'r', 'n')
if f[1] == 'r' and f[2] == ARGV[3] and f[3] == ARGV[2] then
  call('HSET', key, 'g', ARGV[4])
  return 1
end
call('HINCRBY', P .. 'stats', 'stale_acks', 1)
return 0
