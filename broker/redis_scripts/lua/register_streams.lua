-- KEYS streams   ARGV stream...
-- Announce job streams to the workers, before jobs are queued in them.
if not on_key(1, 'SADD', unpack(ARGV)) then return broken(1) end
return redis.status_reply('OK')
