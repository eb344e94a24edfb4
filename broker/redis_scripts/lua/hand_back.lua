-- KEYS stream   ARGV group consumer idle tried entry...
-- End the leases of these entries at once. Unless tried == '1', their last delivery is not counted.
local no = broken(1)
if no then return no end
for i = 5, #ARGV do
  local lease = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1)
  if #lease == 1 and lease[1][2] == ARGV[2] and lease[1][3] < tonumber(ARGV[3]) then
    local deliveries = math.max(0, lease[1][4] - (ARGV[4] == '1' and 0 or 1))
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[i], 'IDLE', ARGV[3], 'RETRYCOUNT', deliveries, 'JUSTID')
  end
end
return redis.status_reply('OK')
