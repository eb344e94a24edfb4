-- KEYS meta audio state partials   ARGV log owner offset audio ttl job
-- Append audio at `offset` bytes. With a job, request a partial unless a request is already waiting.
-- Returns the number of bytes stored. If it is less than `offset`, the sender must send again from there.
local no = broken(4) or refusal_of_audio(1, ARGV[1], ARGV[2])
if no then return no end
replace_broken(2, 3)
local there = redis.call('STRLEN', KEYS[2])
local offset = tonumber(ARGV[3])
if offset > there then return there end
if #ARGV[4] > 0 then
  there = redis.call('SETRANGE', KEYS[2], offset, ARGV[4])
  redis.call('EXPIRE', KEYS[2], ARGV[5])
end
if #ARGV[6] > 0 and redis.call('HSETNX', KEYS[3], 'waiting', 1) == 1 then
  redis.call('XADD', KEYS[4], 'MAXLEN', '~', 4096, '*', 'j', ARGV[6])
  redis.call('EXPIRE', KEYS[3], ARGV[5])
end
return there
