-- Draws edges {place, on, number of the target, its id} from a job that is known to some that wait. If its end was told
-- already, it counts for them at once.
local function lead(source, edges)
  -- What has ended in this step is told to the others first: not to these, for which it counts below.
  tell_targets()
  local f = call('HMGET', JOB .. source, 'n', 's', 'z', 'e', 'L', 'O')
  local drawn = {}
  for i, edge in ipairs(edges) do
    local at, on, number, target = unpack(edge)
    drawn[i] = edge_of(at, on, number, target)
    add(P .. 'sources:' .. target, at, edge_of(at, on, f[1], source))
  end
  draw(source, f[5], drawn)
  if FINAL[f[2]] and not f[6] then
    local ending = ending_of(f[2], f[3])
    for _, edge in ipairs(drawn) do
      follow(edge, ending, f[4] or '')
    end
  end
end
