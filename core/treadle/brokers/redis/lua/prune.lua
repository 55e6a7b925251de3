-- needs: clock jobs edges keeping
-- ARGV: state, limit, max count or '', max age in ms or ''. Removes final records, the first that ended first.
-- What others may still ask for is kept, and the next call begins behind it (passed: by state, how many that are).
-- Answers how many were removed; and where to go on: with `more`, from the `first` on, or with `none`.
local MOST_RECORDS = 500
local state, limit, removed = ARGV[1], tonumber(ARGV[2]), 0
local key = P .. 'final:' .. state

-- Looks at the next records; answers how many are kept, counted from the first, and whether all were looked at.
local function prune(passed)
  local excess = ARGV[3] ~= '' and call('ZCARD', key) - ARGV[3] or 0
  local cutoff = ARGV[4] ~= '' and now_us - ARGV[4] * 1000 or -1
  local oldest, first = call('ZRANGE', key, passed, passed + MOST_RECORDS - 1, 'WITHSCORES'), passed
  for i = 1, #oldest, 2 do
    if tonumber(oldest[i + 1]) > cutoff and first + (i + 1) / 2 > excess then
      return passed, true
    elseif removed >= limit then
      return passed, false
    end
    local id = oldest[i]
    local f = call('HMGET', JOB .. id, 'W', 'L', 'B', 'K')
    local is_kept = is_awaited(id, f[2], f[4])
    if is_kept == nil then
      -- It leads to very many: the next round looks at more of them.
      return passed + 1, false
    elseif is_kept then
      passed = passed + 1
    else
      call('ZREM', key, id)
      forget(id, f[1], f[2], f[3])
      removed = removed + 1
    end
  end
  return passed, #oldest < 2 * MOST_RECORDS
end

local began = tonumber(call('HGET', P .. 'passed', state) or 0)
local passed, is_through = prune(began)
if is_through or passed == 0 then
  if began > 0 then
    call('HDEL', P .. 'passed', state)
  end
  return { removed, not is_through and 'more' or (began > 0 and 'first' or 'none') }
end
call('HSET', P .. 'passed', state, passed)
return { removed, 'more' }
