-- needs: clock writes jobs pulling wake edges telling closing recovery
-- ARGV: limit, max crashes, error of a verdict. Answers the ids given back.
local back, limit = {}, tonumber(ARGV[1])
-- During an outage, and for one lease after it, being late means nothing.
local beat = call('MGET', P .. 'pulse', P .. 'pulse_ttl', P .. 'recover_after')
if (beat[1] and now - beat[1] > beat[2] / 2) or now < tonumber(beat[3] or 0) then
  return back
end
-- Gates that nobody has opened or held in time end with their payload as the error.
for _, id in ipairs(call('ZRANGEBYSCORE', P .. 'gates', '-inf', now, 'LIMIT', 0, limit)) do
  local f = call('HMGET', JOB .. id, 's', 'q', 'y')
  pull(id, 'b', f[2] or '')
  if f[1] == 'b' then
    finish(id, 'f', 'skipped', f[3])
  end
end
for _, lease in ipairs(call('ZRANGEBYSCORE', P .. 'lease', '-inf', now, 'LIMIT', 0, 100)) do
  if #back >= limit then break end
  call('ZADD', P .. 'lease', 0, lease)
  for _, id in ipairs(call('HRANDFIELD', P .. 'held:' .. lease, limit - #back)) do
    local alone = call('HGET', JOB .. id, 'u')
    if give_back(lease, id, alone and 'crashed' or 'suspect', ARGV[3], tonumber(ARGV[2]), true) then
      back[#back + 1] = id
    end
  end
  close_if_empty(lease)
end
tell_targets()
return back
