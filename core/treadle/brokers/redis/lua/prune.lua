-- needs: clock jobs
-- ARGV: limit, max count of a state or '', then the max age in ms, or '', of f, c and s.
-- Removes final records, the first that ended first; answers how many.
local limit, removed = tonumber(ARGV[1]), 0

local function prune(state, max_age)
  local key = P .. 'final:' .. state
  local excess = ARGV[2] ~= '' and call('ZCARD', key) - ARGV[2] or 0
  local cutoff = max_age ~= '' and now_us - max_age * 1000 or -1
  local oldest = call('ZRANGE', key, 0, limit - removed - 1, 'WITHSCORES')
  for i = 1, #oldest, 2 do
    if tonumber(oldest[i + 1]) > cutoff and (i + 1) / 2 > excess then break end
    call('ZREM', key, oldest[i])
    call('DEL', JOB .. oldest[i])
    call('ZREM', P .. 'all', oldest[i])
    removed = removed + 1
  end
end

for at, state in ipairs({ 'f', 'c', 's' }) do
  if removed < limit then
    prune(state, ARGV[2 + at])
  end
end
return removed
