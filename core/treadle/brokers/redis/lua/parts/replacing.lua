-- Cancels the gate of a replacement that will not be.
local function shut_for_good(gate)
  local f = call('HMGET', JOB .. gate, 's', 'q')
  if f[1] == 'b' then
    pull(gate, 'b', f[2])
    finish(gate, 'c', 'revoked')
  end
end

-- Lets the end of another job be this one's, and opens the gate before that one.
local function replace(key, id, source, gate, cancelling)
  if cancelling or call('EXISTS', JOB .. source) == 0 then
    finish(id, cancelling and 'c' or 'f', cancelling and 'revoked' or 'skipped')
    shut_for_good(gate)
    return
  end
  if call('HSETNX', key, 'W', id) == 1 then -- a job of no workflow begins one by it
    call('ZADD', P .. 'workflow:' .. id, call('HGET', key, 'n'), id)
  end
  call('HDEL', key, 'j', 'J', 'u', 'e', 'g')
  call('HSET', key, 's', 'b', 'B', 2, 'N', 1, 'M', 0, 'F', 1, 'G', 0)
  lead(source, { { RESULT_PLACE, 's', call('HGET', key, 'n'), id } })
  open_gate(gate)
end

return { tell_owed = tell_owed, tell_targets = tell_targets, replace = replace, is_owing = function() return owing end }
