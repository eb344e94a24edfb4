-- KEYS meta calls log settled   ARGV log owner call checkpoint
-- Record a heartbeat of the call and its checkpoint. Returns 0, -1 (LOG_LOST) or -3 (NOT_OWNER).
local no = broken(2) or refusal(1, ARGV[1], ARGV[2])
if no then return no end
if #KEYS == 4 and not (is_whole(1, 3, 4) and has_turns(KEYS[1])) then return -1 end
redis.call('HSET', KEYS[1], 'checkpoint', ARGV[4])
alive(KEYS[2], ARGV[3])
return 0
