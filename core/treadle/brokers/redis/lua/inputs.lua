-- needs: clock jobs
-- ARGV: id, place, limit. Answers {id, place, state, reason, result, error, join, options} of each ended source behind
-- that place.
local found = {}
local edges = call('ZRANGEBYSCORE', P .. 'sources:' .. ARGV[1], '(' .. ARGV[2], '+inf', 'LIMIT', 0, ARGV[3])
for _, edge in ipairs(edges) do
  local at, id = string.match(edge, '^(%-?%d+) %a (.*)$')
  local f = call('HMGET', JOB .. id, 's', 'z', 'v', 'e', 'B', 'o')
  if FINAL[f[1]] then
    found[#found + 1] = { id, at, f[1], f[2] or '', f[3] or '', f[4] or '', f[5] and 1 or 0, f[5] and f[6] or '' }
  end
end
return found
