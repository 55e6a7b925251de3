-- needs: clock jobs pulling edges keeping
-- ARGV: ids. Removes those that may be removed; answers how many of the ids were dealt with, and those that are gone.
local gone = {}
for at, id in ipairs(ARGV) do
  local f = call('HMGET', JOB .. id, 's', 'q', 'w', 'W', 'L', 'B', 'K')
  if f[1] and f[1] ~= 'r' then
    local is_kept = is_awaited(id, f[5], f[7])
    if is_kept == nil then
      return { at - 1, gone }
    elseif not is_kept then
      pull(id, f[1], f[2])
      forget(id, f[4], f[5], f[6])
      if f[3] then
        tell(f[3], id)
      end
      gone[#gone + 1] = id
    end
  end
end
return { #ARGV, gone }
