-- needs: clock writes jobs pulling wake edges telling
-- ARGV: 'revoke' or 'terminate', ids. Answers id, state, id, state ...
local states = {}
for i = 2, #ARGV do
  local id = ARGV[i]
  local key = JOB .. id
  local f = call('HMGET', key, 's', 'q', 'l', 'r', 'k')
  local state = f[1]
  if state == 'r' then
    local kind = f[5] == 'terminate' and 'terminate' or ARGV[1]
    if kind ~= f[5] then
      call('HSET', key, 'i', 1, 'k', kind)
      call('HSET', P .. 'cancels:' .. f[3], id, f[4] .. ':' .. kind)
      call('ZADD', P .. 'bell:' .. f[3], 0, '1')
    end
  elseif state and not FINAL[state] then
    pull(id, state, f[2])
    finish(id, 'c', 'revoked')
    state = 'c'
  end
  if state then
    states[#states + 1] = id
    states[#states + 1] = STATES[state]
  end
end
tell_targets()
return states
