-- needs: clock jobs keeping
-- ARGV: limit, max count of a state or '', then the max age in ms, or '', of f, c and s.
-- Removes final records, the first that ended first; answers how many. What others may still ask for is kept: a look
-- that found much of it goes on from there next time (pruned: by state, the end of the last record looked at).
local MOST_LOOKS = 500
local limit, removed = tonumber(ARGV[1]), 0

local function prune(state, max_age)
  local key = P .. 'final:' .. state
  local excess = ARGV[2] ~= '' and call('ZCARD', key) - ARGV[2] or 0
  local cutoff = max_age ~= '' and now_us - max_age * 1000 or -1
  local from = call('HGET', P .. 'pruned', state)
  local first = from and call('ZCOUNT', key, '-inf', from) or 0
  local oldest = call('ZRANGE', key, first, first + MOST_LOOKS - 1, 'WITHSCORES')
  local last
  for i = 1, #oldest, 2 do
    if removed >= limit or (tonumber(oldest[i + 1]) > cutoff and first + (i + 1) / 2 > excess) then
      last = nil
      break
    end
    last = oldest[i + 1]
    local f = call('HMGET', JOB .. oldest[i], 'W', 'L', 'B')
    if not is_awaited(oldest[i], f[2]) then
      call('ZREM', key, oldest[i])
      forget(oldest[i], f[1], f[2], f[3])
      removed = removed + 1
    end
  end
  if last and #oldest == 2 * MOST_LOOKS then
    call('HSET', P .. 'pruned', state, last)
  elseif from then
    call('HDEL', P .. 'pruned', state)
  end
end

for at, state in ipairs({ 'f', 'c', 's' }) do
  if removed < limit then
    prune(state, ARGV[2 + at])
  end
end
return removed
