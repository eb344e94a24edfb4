-- KEYS due waiting   ARGV key delivery again seconds
-- Remove a request that was sent; with `again`, write it in its place, due in some seconds. Does nothing if the
-- request is not the one that was sent any more. Returns whether it was.
local no = broken(1, 2)
if no then return no end
if redis.call('HGET', KEYS[2], ARGV[1]) ~= ARGV[2] then return 0 end
if ARGV[3] == '' then
  redis.call('HDEL', KEYS[2], ARGV[1])
  redis.call('ZREM', KEYS[1], ARGV[1])
else
  redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
  redis.call('ZADD', KEYS[1], redis.call('TIME')[1] + ARGV[4], ARGV[1])
end
return 1
