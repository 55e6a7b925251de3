-- Settlements in ARGV, each beginning with kind, id, key (the sequence: the same id may have been deleted and published
-- again), receipt:
--   S result                  complete
--   F reason error            fail
--   C reason error            cancel
--   R suspect                 release
--   T delay error given payload options queue priority     retry; `given` is a string of p o q i
--   P source gate             replace
local LENGTH = { S = 5, F = 6, C = 6, R = 5, T = 11, P = 6 }
local refused, NOTHING, SUCCEEDED = {}, {}, P .. 'final:s'

-- The end that nearly all jobs come to, so it is written out; the others go through `finish`.
local function complete(key, id, result, attempt, rare)
  if result == '' then
    call('HSET', key, 's', 's', 'a', attempt, 'f', NOW)
  else
    call('HSET', key, 's', 's', 'a', attempt, 'f', NOW, 'v', result)
  end
  add(SUCCEEDED, NOW_US, id)
  if rare[2] or rare[6] or rare[7] then
    call('HDEL', key, 'w', 'j', 'J', 'u')
  end
  if rare[2] then
    tell(rare[2], id)
  end
  if rare[4] then
    local n = #ENDED
    ENDED[n + 1], ENDED[n + 2] = id, { 's', '', nil, rare[4], rare[5] }
  end
end

-- Writes what a retry changes of its job. ARGV from `i`: a string of the letters of what is given, the four values.
local function change(key, i)
  local fields = { p = 'y', o = 'o', q = 'q', i = 'p' }
  for at, letter in ipairs({ 'p', 'o', 'q', 'i' }) do
    if string.find(ARGV[i], letter, 1, true) then
      call('HSET', key, fields[letter], ARGV[i + at])
    end
  end
  if string.find(ARGV[i], 'q', 1, true) then
    call('SADD', P .. 'queues', ARGV[i + 3])
  end
end

local function retry(key, id, delay, err, i)
  call('HDEL', key, 'j', 'J', 'u')
  call('HSET', key, 'e', err)
  if ARGV[i] ~= '' then
    change(key, i)
  end
  local at = call('HMGET', key, 'q', 'n', 'p')
  if delay > 0 then
    call('HSET', key, 's', 'd', 'd', now + delay)
    add(P .. 'delayed:' .. at[1], now + delay, id)
  else
    call('HSET', key, 's', 'q')
    add(P .. 'q:' .. at[1], place(at[2], at[3]), id)
  end
  wake(at[1])
end

-- A verdict stays: it was not carried out.
local function release(key, id, suspect)
  local at = call('HMGET', key, 'q', 'n', 'p')
  if suspect then
    call('HSET', key, 's', 'q', 'i', 1, 'u', 1)
  else
    call('HSET', key, 's', 'q')
    call('HDEL', key, 'u')
  end
  add(P .. (suspect and 'suspects:' or 'q:') .. at[1], place(at[2], at[3]), id)
  wake(at[1])
end

-- Carries out the settlement at ARGV[i] of a job that runs under the lease `holder`.
local function settle(i, key, holder, rare)
  local kind, id, receipt, first, second = ARGV[i], ARGV[i + 1], ARGV[i + 3], ARGV[i + 4], ARGV[i + 5]
  local attempt, cancelling = rare[1] and rare[1] + 1 or '1', rare[3]
  if cancelling then
    call('HDEL', P .. 'cancels:' .. holder, id)
  end
  if kind == 'S' then
    complete(key, id, first, attempt, rare)
  elseif kind == 'F' then
    call('HSET', key, 'a', attempt)
    finish(id, 'f', first, second)
  elseif kind == 'C' then
    finish(id, 'c', first, second)
  elseif kind == 'T' then
    call('HSET', key, 'i', 1, 'a', attempt, 'R', receipt)
    if cancelling then
      finish(id, 'c', 'revoked', second)
    else
      retry(key, id, tonumber(first), second, i + 6)
    end
  elseif kind == 'P' then
    call('HSET', key, 'i', 1, 'a', attempt, 'R', receipt)
    rarely().replace(key, id, first, second, cancelling)
  else
    call('HSET', key, 'R', receipt)
    if cancelling then
      finish(id, 'c', 'revoked')
    else
      release(key, id, first == '1')
    end
  end
end

-- Settles all that begins at ARGV[i].
local function settle_all(i)
  -- What is settled, by the hash of the lease that held it.
  local removals = {}
  while i <= #ARGV do
    local id, receipt = ARGV[i + 1], ARGV[i + 3]
    local key = JOB .. id
    local f = call('HMGET', key, 's', 'r', 'l', 'n', 'i')
    local same = f[4] == ARGV[i + 2]
    if same and f[1] == 'r' and f[2] == receipt then
      local held = P .. 'held:' .. f[3]
      removals[held] = removals[held] or {}
      table.insert(removals[held], id)
      settle(i, key, f[3], f[5] and call('HMGET', key, 'a', 'w', 'k', 'L', 'U', 'u', 'j') or NOTHING)
    elseif not (same and ((f[1] ~= 'r' and f[2] == receipt) or call('HGET', key, 'R') == receipt)) then
      refused[#refused + 1] = id
    end
    i = i + LENGTH[ARGV[i]]
  end
  for key, list in pairs(removals) do
    call('HDEL', key, unpack(list))
  end
  if #refused > 0 then
    call('HINCRBY', P .. 'stats', 'stale_acks', #refused)
  end
end
