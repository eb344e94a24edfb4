-- KEYS meta settled state finals audio   ARGV log owner segment ttl job size
-- Queue a whole segment of `size` bytes. Returns 1; 0 if it is already queued or settled; -1 (LOG_LOST);
-- -2 (AUDIO_MISSING) if its audio is incomplete; -3 (NOT_OWNER).
local no = refusal_of_audio(1, ARGV[1], ARGV[2])
if no then return no end
local is_settled = on_key(2, 'HEXISTS', ARGV[3])
if not is_settled then return -1 end
if is_settled == 1 then return 0 end
if (on_key(5, 'STRLEN') or -1) < tonumber(ARGV[6]) then return -2 end
local entry = on_key(3, 'HGET', 'entry')
local queued = {}
if entry and string.match(entry, '^%d+-%d+$') then queued = on_key(4, 'XRANGE', entry, entry) end
if not queued then return broken(4) end
if not queued[1] then
  local is_broken = entry == nil
  entry = on_key(4, 'XADD', '*', 'j', ARGV[5])
  if not entry then return broken(4) end
  if is_broken then redis.call('DEL', KEYS[3]) end
  redis.call('HSET', KEYS[3], 'queued', ARGV[5], 'entry', entry)
end
redis.call('EXPIRE', KEYS[3], ARGV[4])
redis.call('EXPIRE', KEYS[5], ARGV[4])
return queued[1] and 0 or 1
