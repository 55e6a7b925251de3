-- needs: clock writes jobs wake (pulling edges telling leading replacing) leases settling claiming
-- Settles deliveries, then claims the next ones.
-- ARGV: lease, epoch, limit, idle, number of queues, the queues; then the settlements, see parts/settling.lua.
-- Answers {0 or LOST, SUSPECTS_WAIT, TOOK_SUSPECT, OTHER_EPOCH; ms to the next due time or -1; refused ids;
--          {queue, {WIDTH values a delivery}, queue, ...}}
local LOST, SUSPECTS_WAIT, TOOK_SUSPECT, OTHER_EPOCH = 1, 2, 3, 4
local lease, epoch, limit, idle, queue_count = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4] == '1', tonumber(ARGV[5])

-- Writes what is still to be written, and tells those that wait for what has ended.
local function conclude()
  if loaded or ENDED[1] then
    rarely().tell_targets()
  else
    write()
  end
end

local owed = call('LPOP', P .. 'owed')
if owed then
  rarely().tell_owed(owed)
end
settle_all(6 + queue_count)
conclude()
if limit == 0 then
  return { 0, -1, refused, {} }
end
if is_lost(lease) then
  return { LOST, -1, refused, {} }
end
-- A call that was given up by its sender and comes late: nobody would hear of the jobs.
if (call('GET', P .. 'epoch:' .. lease) or '0') ~= epoch then
  return { OTHER_EPOCH, -1, refused, {} }
end
local queues, suspects = open_queues(queue_count)
if suspects and not idle then
  return { SUSPECTS_WAIT, -1, refused, {} }
end
local answer, next_due, status = {}, nil, 0
if suspects and take_suspect(queues, lease, answer) then
  status = TOOK_SUSPECT
else
  next_due = take(queues, limit, lease, answer)
end
if #held > 0 then
  call('HSET', P .. 'held:' .. lease, unpack(held))
end
conclude()
if loaded and loaded.is_owing() then
  next_due = now
end
return { status, next_due and math.max(0, next_due - now) or -1, refused, answer }
