-- needs: clock writes jobs wake edges telling
-- ARGV: ids of gates. Lets each need one less; answers those that were not shut.
local over = {}
for _, id in ipairs(ARGV) do
  if not open_gate(id) then
    over[#over + 1] = id
  end
end
tell_targets()
return over
