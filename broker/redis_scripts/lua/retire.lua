-- KEYS calls meta log settled   ARGV log owner call ttl
-- The call has ended: remove it from the calls in progress. Its log can be read for `ttl` seconds.
local no = broken(1) or refusal(2, ARGV[1], ARGV[2])
if no then return no end
redis.call('ZREM', KEYS[1], ARGV[3])
for i = 2, 4 do redis.call('EXPIRE', KEYS[i], ARGV[4]) end
return 1
