-- KEYS streams   ARGV stream...
-- Announce job streams to the workers, before jobs are queued in them.
local no = broken(1)
if no then return no end
redis.call('SADD', KEYS[1], unpack(ARGV))
return redis.status_reply('OK')
