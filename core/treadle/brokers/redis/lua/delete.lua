-- needs: clock jobs keeping
-- ARGV: ids. Answers those that were removed.
local gone = {}
for _, id in ipairs(ARGV) do
  local f = call('HMGET', JOB .. id, 's', 'q', 'w', 'W', 'L', 'B')
  if f[1] and f[1] ~= 'r' and not is_awaited(id, f[5]) then
    pull(id, f[1], f[2])
    forget(id, f[4], f[5], f[6])
    if f[3] then
      tell(f[3], id)
    end
    gone[#gone + 1] = id
  end
end
return gone
