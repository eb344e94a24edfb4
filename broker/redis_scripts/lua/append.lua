-- KEYS meta log settled outbox   ARGV log owner call live name event
-- Log an event of the gateway, once for each name. Returns its seq, or 0 if the name is already logged.
local no, last = refusal(1, ARGV[1], ARGV[2])
if no then return no end
local is_logged = on_key(3, 'HEXISTS', ARGV[5])
if not is_logged or not is_whole_to(last, 2, 3) then return -1 end
if is_logged == 1 then return 0 end
local seq = append_as(last + 1, ARGV[1], 2, 4, ARGV[4], ARGV[3], ARGV[6])
if not seq then return broken(4) end
redis.call('HSET', KEYS[3], ARGV[5], '')
redis.call('HSET', KEYS[1], 'seq', seq)
return seq
