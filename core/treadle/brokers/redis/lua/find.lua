-- needs: clock jobs
-- ARGV: index key without prefix, cursor score, cursor id, how many to look at, then '=value' or '' for
-- state, queue, task, reason. Walks an index from its high end.
-- Answers {score and id of the last one looked at, or '' at the end; matching ids}.
local key, scan = P .. ARGV[1], tonumber(ARGV[4])
local start = 0
if ARGV[2] ~= '' then
  local rank = call('ZREVRANK', key, ARGV[3])
  start = rank and rank + 1 or call('ZCOUNT', key, '(' .. ARGV[2], '+inf')
end
local FIELDS = { 's', 'q', 't', 'z' }
local wanted = {}
for i = 1, 4 do
  wanted[i] = ARGV[4 + i] ~= '' and string.sub(ARGV[4 + i], 2) or nil
end
local entries, found = call('ZREVRANGE', key, start, start + scan - 1, 'WITHSCORES'), {}
for i = 1, #entries, 2 do
  local f = call('HMGET', JOB .. entries[i], unpack(FIELDS))
  local matches = f[1] ~= false
  for j = 1, 4 do
    matches = matches and (wanted[j] == nil or (f[j] or '') == wanted[j])
  end
  if matches then
    found[#found + 1] = entries[i]
  end
end
local n = #entries
if n < 2 * scan then
  return { '', '', found }
end
return { entries[n], entries[n - 1], found }
