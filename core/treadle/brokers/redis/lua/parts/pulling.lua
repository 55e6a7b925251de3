-- Takes a job that waits out of where it waits.
local function pull(id, state, queue)
  if state == 'd' then
    call('ZREM', P .. 'delayed:' .. queue, id)
  elseif state == 'q' then
    if call('ZREM', P .. 'q:' .. queue, id) == 0 then
      call('ZREM', P .. 'suspects:' .. queue, id)
    end
  elseif state == 'b' then
    call('ZREM', P .. 'blocked:' .. queue, id)
    call('ZREM', P .. 'gates', id)
  elseif FINAL[state] then
    call('ZREM', P .. 'final:' .. state, id)
  end
end
