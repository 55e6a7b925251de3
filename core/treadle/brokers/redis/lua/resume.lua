-- needs: clock jobs wake
-- ARGV: queue.
call('SREM', P .. 'paused', ARGV[1])
if call('SISMEMBER', P .. 'queues', ARGV[1]) == 1 then
  wake(ARGV[1])
end
return 1
