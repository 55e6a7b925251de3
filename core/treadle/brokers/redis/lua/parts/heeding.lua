-- What is unusual about a published job; ARGV[i] is where its arguments begin, see publish.lua.

-- Where the arguments of the next job begin.
local function behind(i)
  local kind = ARGV[i + 4]
  if kind == '0' then
    return i + 5
  elseif kind == '1' then
    return i + 12
  end
  local after = i + 17 + 4 * ARGV[i + 16]
  return after + 1 + 3 * ARGV[after]
end

-- Writes the unusual values of a job; answers state, key and score of its place, or nothing if that is the usual one.
local function heed(key, queue, seq, i)
  local priority, options, delay, eta, ttl, expires, redeliver = unpack(ARGV, i + 5, i + 11)
  local state, where, score
  if priority ~= '0' then
    score = place(seq, priority)
    call('HSET', key, 'p', priority)
  end
  local due = math.max(delay == '0' and 0 or now + delay, tonumber(eta))
  if due > now then
    state, where, score = 'd', P .. 'delayed:' .. queue, due
    call('HSET', key, 'd', due)
  end
  if options ~= '' then
    call('HSET', key, 'o', options)
  end
  if ttl ~= '0' or expires ~= '0' then
    local ends = tonumber(expires)
    if ttl ~= '0' and (ends == 0 or now + ttl < ends) then
      ends = now + ttl
    end
    call('HSET', key, 'i', 1, 'x', ends)
  end
  if redeliver ~= '1' then
    call('HSET', key, 'h', 0)
  end
  return state, where, score
end
