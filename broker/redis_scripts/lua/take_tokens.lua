-- KEYS bucket   ARGV rate burst wanted
-- Take up to `wanted` whole tokens from a bucket that refills at `rate` tokens a second up to `burst`. A bucket that
-- does not exist is full. Returns {tokens taken, seconds until there is one if none was taken}.
local no = broken(1)
if no then return no end
local rate, burst, wanted = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local kept = redis.call('HMGET', KEYS[1], 'level', 'at')
local level, at = tonumber(kept[1] or '') or burst, tonumber(kept[2] or '') or now
level = math.min(burst, level + rate * math.max(0, now - at))
local taken = math.min(wanted, math.floor(level))
if taken < 1 then return {0, math.ceil((1 - level) / rate)} end
redis.call('HSET', KEYS[1], 'level', string.format('%.6f', level - taken), 'at', string.format('%.6f', math.max(now, at)))
redis.call('EXPIRE', KEYS[1], math.ceil(burst / rate) + 1)
return {taken, 0}
