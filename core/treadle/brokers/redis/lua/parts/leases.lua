-- lease: sorted set of open leases by expiry; score 0 means reaped, and not yet emptied.
-- held:<lease>: hash from the ids that run under it to their queues.

local function is_lost(lease)
  local expiry = call('ZSCORE', P .. 'lease', lease)
  return not expiry or expiry == '0'
end
