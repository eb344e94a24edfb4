-- KEYS meta audio drafts   ARGV log owner job size
-- Queue the draft of a segment whose first `size` bytes of audio are stored. Returns 1, -1 (LOG_LOST), -2
-- (AUDIO_MISSING) or -3 (NOT_OWNER).
local no = broken(3) or refusal_of_audio(1, ARGV[1], ARGV[2])
if no then return no end
if (on_key(2, 'STRLEN') or 0) < tonumber(ARGV[4]) then return -2 end
redis.call('XADD', KEYS[3], 'MAXLEN', '~', 4096, '*', 'j', ARGV[3])
return 1
