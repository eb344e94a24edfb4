-- KEYS meta settled state finals audio   ARGV log owner segment ttl job size
-- Queue a whole segment of `size` bytes. Returns 1; 0 if it is already queued or settled; -1 (LOG_LOST);
-- -2 (AUDIO_MISSING) if its audio is incomplete; -3 (NOT_OWNER).
local no = broken(4) or refusal(1, ARGV[1], ARGV[2])
if no then return no end
if not is_sound(2) then return -1 end
if redis.call('HEXISTS', KEYS[2], ARGV[3]) == 1 then return 0 end
if not is_sound(5) or redis.call('STRLEN', KEYS[5]) < tonumber(ARGV[6]) then return -2 end
replace_broken(3)
redis.call('EXPIRE', KEYS[5], ARGV[4])
local entry = redis.call('HGET', KEYS[3], 'entry')
if entry and string.match(entry, '^%d+-%d+$') and redis.call('XRANGE', KEYS[4], entry, entry)[1] then return 0 end
entry = redis.call('XADD', KEYS[4], '*', 'j', ARGV[5])
redis.call('HSET', KEYS[3], 'queued', ARGV[5], 'entry', entry)
redis.call('EXPIRE', KEYS[3], ARGV[4])
return 1
