-- KEYS stream   ARGV group consumer (idle count)...
-- Claim jobs whose lease has expired, the oldest first: for each pair, at most `count` jobs that were idle for at
-- least `idle` milliseconds. Returns entry, number of deliveries (including this one) and fields of each job.
local no = broken(1)
if no then return no end
local taken = {}
for i = 3, #ARGV, 2 do
  for _, lease in ipairs(redis.call('XPENDING', KEYS[1], ARGV[1], 'IDLE', ARGV[i], '-', '+', ARGV[i + 1])) do
    local claimed = redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], ARGV[i], lease[1])
    if #claimed == 1 then taken[#taken + 1] = {lease[1], lease[4] + 1, claimed[1][2]} end
  end
end
return taken
