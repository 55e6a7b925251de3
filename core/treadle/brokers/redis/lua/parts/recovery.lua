-- Why the job must not run again, or nil. A verdict charges no attempt: the settlement that carries it out does.
local function sentence(role, crashes, max_crashes, redeliver)
  if role == 'time_limit' then
    return role
  elseif (role == 'crashed' and crashes >= max_crashes) or (role ~= 'waiting' and not redeliver) then
    return 'crashed'
  end
end

-- Gives back one job whose process is gone. `role` is what it was doing there:
--   waiting (not started), suspect (one of several that ran), crashed or time_limit (guilty).
-- `unseen`: nobody saw the process die, so even a charged job stays suspect.
local function give_back(lease, id, role, err, max_crashes, unseen)
  call('HDEL', P .. 'held:' .. lease, id)
  local key = JOB .. id
  local f = call('HMGET', key, 's', 'q', 'n', 'p', 'r', 'c', 'h', 'k', 'j', 'J')
  if f[1] ~= 'r' then
    return false
  end
  call('HSET', key, 'i', 1, 'r', f[5] + 1)
  local guilty = role == 'crashed' or role == 'time_limit'
  local crashes = role == 'crashed' and call('HINCRBY', key, 'c', f[9] and 0 or 1) or f[6]
  local reason = sentence(role, crashes, max_crashes, not f[7])
  if f[9] or (guilty and (f[8] or not reason)) then
    call('HINCRBY', key, 'a', 1)
  end
  if f[9] then
    finish(id, 'f', f[10], f[9])
  elseif f[8] then
    finish(id, 'c', 'revoked')
  else
    local alone = not reason and (role == 'suspect' or (unseen and guilty))
    call('HSET', key, 's', 'q')
    call('HDEL', key, 'u')
    if reason then
      call('HSET', key, 'j', err, 'J', reason)
    elseif alone then
      call('HSET', key, 'u', 1)
    end
    call('ZADD', P .. (alone and 'suspects:' or 'q:') .. f[2], place(f[3], f[4]), id)
    wake(f[2])
  end
  return true
end
