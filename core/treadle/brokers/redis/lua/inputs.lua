-- needs: clock jobs edges
-- ARGV: id, how many edges to leave out, place behind which they begin, how many to look at, how many ended sources to
-- give. Answers how many edges were looked at; and {id, place, state, reason, result, error, join, options} of each.
local found, looked, limit = {}, 0, tonumber(ARGV[5])
local edges = call('ZRANGEBYSCORE', P .. 'sources:' .. ARGV[1], '(' .. ARGV[3], '+inf', 'LIMIT', ARGV[2], ARGV[4])
for _, edge in ipairs(edges) do
  if #found >= limit then break end
  local at, _, number, id = split(edge)
  local f = call('HMGET', JOB .. id, 's', 'z', 'v', 'e', 'B', 'o', 'n')
  if FINAL[f[1]] and f[7] == number then
    found[#found + 1] = { id, at, f[1], f[2] or '', f[3] or '', f[4] or '', f[5] and 1 or 0, f[5] and f[6] or '' }
  end
  looked = looked + 1
end
return { looked, found }
