-- needs: clock jobs wake
-- ARGV: source, target. Moves at most 500 waiting jobs; answers how many.
local source, target, moved = ARGV[1], ARGV[2], 0
for _, kind in ipairs({ 'q:', 'suspects:', 'delayed:' }) do
  local popped = call('ZPOPMIN', P .. kind .. source, 500 - moved)
  for i = 1, #popped, 2 do
    call('HSET', JOB .. popped[i], 'q', target)
    call('ZADD', P .. kind .. target, popped[i + 1], popped[i])
  end
  moved = moved + #popped / 2
  if moved >= 500 then break end
end
if moved > 0 then
  call('SADD', P .. 'queues', target)
  wake(target)
end
return moved
