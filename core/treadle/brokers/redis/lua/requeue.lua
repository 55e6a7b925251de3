-- needs: clock jobs wake
-- ARGV: ids. Answers those that were queued; or 0 if something is still owed, which must come first.
if call('EXISTS', P .. 'owed') == 1 then
  return 0
end
local queued = {}
for _, id in ipairs(ARGV) do
  local key = JOB .. id
  local f = call('HMGET', key, 's', 'q', 'n', 'p', 'r', 'B', 'L')
  local state = f[1]
  if state == 'd' or (FINAL[state] and not f[6]) then
    pull(id, state, f[2])
    if state ~= 'd' then
      -- Without its expiry: whoever asks for it now wants it to run.
      call('HDEL', key, 'a', 'c', 'z', 'f', 'v', 'e', 'g', 'k', 'x')
      if f[5] then
        -- A repeated settlement of the ended run must still be known for one.
        call('HSET', key, 'R', f[5])
      end
      if f[7] then
        -- Those that waited for it have been told of its end, and are not told again.
        call('HSET', key, 'U', f[7] == '+' and call('LLEN', P .. 'edges:' .. id) or 1)
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
