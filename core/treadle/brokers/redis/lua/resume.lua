-- needs: clock wake
-- ARGV: queue.
call('SREM', P .. 'paused', ARGV[1])
wake(ARGV[1])
return 1
