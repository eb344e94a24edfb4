-- KEYS due waiting   ARGV key delivery seconds most
-- Write a request that may be sent in some seconds, in place of the one with the same key. With an empty delivery,
-- only change the time of a waiting one. Returns 1, or 0 if there is no such request, or too many wait.
local no = broken(1, 2)
if no then return no end
local there = redis.call('HEXISTS', KEYS[2], ARGV[1]) == 1
if not there and (ARGV[2] == '' or redis.call('HLEN', KEYS[2]) >= tonumber(ARGV[4])) then return 0 end
if ARGV[2] ~= '' then redis.call('HSET', KEYS[2], ARGV[1], ARGV[2]) end
redis.call('ZADD', KEYS[1], redis.call('TIME')[1] + ARGV[3], ARGV[1])
return 1
