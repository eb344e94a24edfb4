-- KEYS meta log settled outbox   ARGV log owner call live name event
-- Log an event of the gateway, once for each name. Returns its seq, or 0 if the name is already logged.
local no = broken(4) or refusal(1, ARGV[1], ARGV[2])
if no then return no end
if not is_whole(1, 2, 3) then return -1 end
if redis.call('HSETNX', KEYS[3], ARGV[5], '') == 0 then return 0 end
return append(KEYS[1], KEYS[2], KEYS[4], ARGV[4], ARGV[3], ARGV[6])
