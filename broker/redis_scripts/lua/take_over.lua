-- KEYS stream   ARGV group consumer most (idle count)...
-- Claim jobs whose lease has expired, the oldest first: for each pair, at most `count` jobs that were idle for at
-- least `idle` milliseconds; at most `most` jobs of all pairs. Returns entry, number of deliveries (including this
-- one) and fields of each job.
local taken = {}
local most = tonumber(ARGV[3])
for i = 4, #ARGV, 2 do
  local expired = on_key(1, 'XPENDING', ARGV[1], 'IDLE', ARGV[i], '-', '+', ARGV[i + 1])
  if not expired then return broken(1) end
  for _, lease in ipairs(expired) do
    if #taken == most then return taken end
    local claimed = redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], ARGV[i], lease[1])
    if #claimed == 1 then taken[#taken + 1] = {lease[1], lease[4] + 1, claimed[1][2]} end
  end
end
return taken
