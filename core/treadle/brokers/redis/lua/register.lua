-- needs: clock jobs
-- ARGV: token of a watch, ids. Answers those that are final or unknown; the others will tell the watch.
local token, ended = ARGV[1], {}
for i = 2, #ARGV do
  local key = JOB .. ARGV[i]
  local f = call('HMGET', key, 's', 'w')
  if not f[1] or FINAL[f[1]] then
    ended[#ended + 1] = ARGV[i]
  elseif not f[2] then
    call('HSET', key, 'i', 1, 'w', token)
  elseif not string.find(f[2], token, 1, true) then
    -- Tokens of watches that are gone stay until the job ends: keep the newest hundred.
    call('HSET', key, 'w', string.sub(f[2], -1700) .. ' ' .. token)
  end
end
return ended
