-- KEYS finals   ARGV group consumer entry...
-- Renew the leases of these entries. Returns the entries whose lease the consumer no longer holds.
local no = broken(1)
if no then return no end
local lost = {}
for i = 3, #ARGV do
  local lease = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1)
  if #lease == 1 and lease[1][2] == ARGV[2] then
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[i], 'JUSTID')
  else
    lost[#lost + 1] = ARGV[i]
  end
end
return lost
