-- needs: clock jobs pulling wake edges
-- ARGV: ids. Answers those that were queued; or 0 if one of them still owes its end to others, which must come first.
for _, id in ipairs(ARGV) do
  if call('HEXISTS', JOB .. id, 'O') == 1 then
    return 0
  end
end

-- Lets an ended job be as if it had never run, but for its receipt.
local function begin_anew(id, key, receipt, led)
  -- Without its expiry: whoever asks for it now wants it to run.
  call('HDEL', key, 'a', 'c', 'z', 'f', 'v', 'e', 'g', 'k', 'x', 'K')
  if receipt then
    -- A repeated settlement of the ended run must still be known for one.
    call('HSET', key, 'R', receipt)
  end
  if led then
    -- Those that waited for it have been told of its end, and are not told again.
    call('HSET', key, 'U', led == '+' and call('LLEN', P .. 'edges:' .. id) or 1)
  end
end

local queued = {}
for _, id in ipairs(ARGV) do
  local key = JOB .. id
  local f = call('HMGET', key, 's', 'q', 'n', 'p', 'r', 'B', 'L')
  local state = f[1]
  if state == 'd' or (FINAL[state] and not f[6]) then
    pull(id, state, f[2])
    if state ~= 'd' then
      begin_anew(id, key, f[5], f[7])
      keep_sources(id)
    end
    call('HSET', key, 's', 'q')
    call('ZADD', P .. 'q:' .. f[2], place(f[3], f[4]), id)
    call('SADD', P .. 'queues', f[2])
    wake(f[2])
    queued[#queued + 1] = id
  end
end
return queued
