-- KEYS from to   ARGV group consumer entry
-- Move a job unchanged to the job stream of workers that can do it. Returns 1, or 0 if the consumer does not hold
-- its lease.
local no = broken(1, 2)
if no then return no end
local lease = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[3], ARGV[3], 1)
local found = redis.call('XRANGE', KEYS[1], ARGV[3], ARGV[3])
if #lease == 0 or lease[1][2] ~= ARGV[2] or #found == 0 then return 0 end
redis.call('XADD', KEYS[2], '*', unpack(found[1][2]))
redis.call('XACK', KEYS[1], ARGV[1], ARGV[3])
redis.call('XDEL', KEYS[1], ARGV[3])
return 1
