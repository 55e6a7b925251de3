-- needs: clock writes jobs wake edges telling closing recovery
-- ARGV: lease, reason, error, guilty id or '', max crashes, ids of suspects.
-- Gives back at most 500 jobs; answers {1 if some are left, ids given back}.
local lease, reason, guilty = ARGV[1], ARGV[2], ARGV[4]
if not call('ZSCORE', P .. 'lease', lease) then
  return { 0, {} }
end
local roles = {}
for i = 6, #ARGV do
  roles[ARGV[i]] = 'suspect'
end
if guilty ~= '' then
  roles[guilty] = reason == 'time_limit' and 'time_limit' or 'crashed'
end
call('ZADD', P .. 'lease', 0, lease)
local back = {}
for _, id in ipairs(call('HRANDFIELD', P .. 'held:' .. lease, 500)) do
  if give_back(lease, id, roles[id] or 'waiting', ARGV[3], tonumber(ARGV[5])) then
    back[#back + 1] = id
  end
end
local left = call('EXISTS', P .. 'held:' .. lease)
close_if_empty(lease)
tell_targets()
return { left, back }
