-- needs: clock writes jobs wake edges telling keeping
-- ARGV: queue. Removes at most 500 of its waiting jobs, or cancels them if others wait for them; answers how many.
local done = 0
for _, kind in ipairs({ 'q:', 'suspects:', 'delayed:' }) do
  local popped = call('ZPOPMIN', P .. kind .. ARGV[1], 500 - done)
  for i = 1, #popped, 2 do
    local id = popped[i]
    local f = call('HMGET', JOB .. id, 'w', 'W', 'L', 'B', 'K')
    if is_awaited(id, f[3], f[5]) ~= false then
      finish(id, 'c', 'revoked')
    else
      forget(id, f[2], f[3], f[4])
      if f[1] then
        tell(f[1], id)
      end
    end
  end
  done = done + #popped / 2
  if done >= 500 then break end
end
tell_targets()
return done
