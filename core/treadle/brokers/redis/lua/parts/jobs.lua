-- Fields of the hash job:<id>; a field that has its default is absent.
--   t task  q queue  p priority  y payload  o options  n sequence  h "0": not redelivered
--   s state (d scheduled, b blocked, q queued, r running, s succeeded, f failed, c cancelled)  z reason
--   a attempt  c crashes  r receipt  R receipt of the last retry or release  l lease
--   m made  d due  x expires  b began  f finished (all in ms)
--   e error  v value  g progress  k cancelling  u suspect  j verdict  J reason of the verdict
--   w watches waiting for its end
--   i "1": something uncommon has happened to it, so a x c k u j w L must be looked at
-- Fields of jobs that wait for others, or lead to them: see telling.lua
local STATES = {
  d = 'scheduled', b = 'blocked', q = 'queued', r = 'running', s = 'succeeded', f = 'failed', c = 'cancelled',
}
local NOW_US = string.format('%.0f', now_us)
local FINAL = { s = true, f = true, c = true }

-- Tells the watches named in w that the job is final or gone.
local function tell(watches, id)
  for token in string.gmatch(watches, '%S+') do
    call('PUBLISH', P .. 'watch:' .. token, id)
  end
end

-- Jobs that have ended in this script, and lead to others: id, {state, reason, error, L, U}, id ...
local ENDED = {}

-- Ends a job that stands in no queue and under no lease any more.
local function finish(id, state, reason, err)
  local key = JOB .. id
  local f = call('HMGET', key, 'w', 'L', 'U', 'e')
  call('HSET', key, 's', state, 'z', reason, 'f', NOW)
  if err and err ~= '' then
    f[4] = err
    call('HSET', key, 'e', err)
  end
  call('HDEL', key, 'd', 'j', 'J', 'u', 'w')
  call('ZADD', P .. 'final:' .. state, NOW_US, id)
  if f[1] then
    tell(f[1], id)
  end
  if f[2] then
    local n = #ENDED
    ENDED[n + 1], ENDED[n + 2] = id, { state, reason, f[4], f[2], f[3] }
  end
end
