-- needs: clock jobs
-- ARGV: ids. Answers those that were removed.
local gone = {}
for _, id in ipairs(ARGV) do
  local key = JOB .. id
  local f = call('HMGET', key, 's', 'q', 'w')
  if f[1] and f[1] ~= 'r' then
    pull(id, f[1], f[2])
    call('DEL', key)
    call('ZREM', P .. 'all', id)
    if f[3] then
      tell(f[3], id)
    end
    gone[#gone + 1] = id
  end
end
return gone
