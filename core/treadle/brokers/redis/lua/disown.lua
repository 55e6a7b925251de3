-- needs: clock writes jobs wake edges telling leases
-- ARGV: lease, new epoch, ids the child has. Takes back what was claimed under the lease without its child
-- ever hearing of it (the answer was lost), and bars claims of older epochs that are still on their way.
local lease = ARGV[1]
if is_lost(lease) then
  return 0
end
call('SET', P .. 'epoch:' .. lease, ARGV[2])
local known, returned = {}, 0
for i = 3, #ARGV do
  known[ARGV[i]] = true
end
for _, id in ipairs(call('HKEYS', P .. 'held:' .. lease)) do
  if not known[id] then
    local key = JOB .. id
    local f = call('HMGET', key, 'q', 'n', 'p', 'u', 'k')
    call('HDEL', P .. 'held:' .. lease, id)
    call('HDEL', P .. 'cancels:' .. lease, id)
    call('HINCRBY', key, 'r', 1)
    if f[5] then
      finish(id, 'c', 'revoked')
    else
      call('HSET', key, 's', 'q')
      call('ZADD', P .. (f[4] and 'suspects:' or 'q:') .. f[1], place(f[2], f[3]), id)
      wake(f[1])
    end
    returned = returned + 1
  end
end
tell_targets()
return returned
