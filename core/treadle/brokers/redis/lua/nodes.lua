-- needs: clock
-- ARGV: workflow, sequence, limit. Answers {sequence, id, task, state, reason, join, need, spare, edge or + or ''} of
-- each job of the workflow behind that sequence.
local found = {}
local key, behind = P .. 'workflow:' .. ARGV[1], '(' .. ARGV[2]
local rows = call('ZRANGEBYSCORE', key, behind, '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[3])
for i = 1, #rows, 2 do
  local f = call('HMGET', JOB .. rows[i], 't', 's', 'z', 'B', 'N', 'M', 'L')
  found[#found + 1] = {
    rows[i + 1], rows[i], f[1] or '', f[2] or '', f[3] or '', f[4] or '', f[5] or '0', f[6] or '0', f[7] or '',
  }
end
return found
