-- needs: clock jobs wake
-- ARGV: ids. Answers those that were queued.
local queued = {}
for _, id in ipairs(ARGV) do
  local key = JOB .. id
  local f = call('HMGET', key, 's', 'q', 'n', 'p', 'r')
  local state = f[1]
  if state == 'd' or FINAL[state] then
    pull(id, state, f[2])
    if state ~= 'd' then
      -- Without its expiry: whoever asks for it now wants it to run.
      call('HDEL', key, 'a', 'c', 'z', 'f', 'v', 'e', 'g', 'k', 'x')
      if f[5] then
        -- A repeated settlement of the ended run must still be known for one.
        call('HSET', key, 'R', f[5])
      end
    end
    call('HSET', key, 's', 'q')
    call('ZADD', P .. 'q:' .. f[2], place(f[3], f[4]), id)
    call('SADD', P .. 'queues', f[2])
    wake(f[2])
    queued[#queued + 1] = id
  end
end
return queued
