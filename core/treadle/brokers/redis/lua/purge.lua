-- needs: clock jobs
-- ARGV: queue. Removes at most 500 of its waiting jobs; answers how many.
local removed = 0
for _, kind in ipairs({ 'q:', 'suspects:', 'delayed:' }) do
  local popped = call('ZPOPMIN', P .. kind .. ARGV[1], 500 - removed)
  for i = 1, #popped, 2 do
    local id = popped[i]
    local watches = call('HGET', JOB .. id, 'w')
    call('DEL', JOB .. id)
    call('ZREM', P .. 'all', id)
    if watches then
      tell(watches, id)
    end
  end
  removed = removed + #popped / 2
  if removed >= 500 then break end
end
return removed
