-- The store's clock and the names every script uses. KEYS[1] is the namespace's prefix; it routes the
-- call in a cluster, and all other keys share its hash tag.
local P = KEYS[1]
local JOB = P .. 'job:'
local call = redis.call
local time = call('TIME')
local now_us = time[1] * 1000000 + time[2]
local now = math.floor(now_us / 1000)
-- Written as text once: turning a number into an argument costs as much as the command it goes to.
local NOW = string.format('%.0f', now)

-- A queue is a sorted set: larger priority first, then publishing order. Both fit exactly in a double.
local SPAN = 17592186044416
local function place(seq, priority)
  return seq - (priority or 0) * SPAN
end
