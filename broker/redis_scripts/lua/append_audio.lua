-- KEYS meta audio state partials   ARGV log owner offset audio ttl job
-- Append audio at `offset` bytes. With a job, request a partial unless a request is already waiting.
-- Returns the number of bytes stored. If it is less than `offset`, the sender must send again from there.
-- The audio expires `ttl` seconds after its first bytes, or after `submit`: a segment is much shorter.
local has_job = #ARGV[6] > 0
local no = has_job and broken(4) or refusal_of_audio(1, ARGV[1], ARGV[2])
if no then return no end
local there = on_key(2, 'STRLEN')
if not there then
  redis.call('DEL', KEYS[2])
  there = 0
end
if tonumber(ARGV[3]) > there then return there end
if #ARGV[4] > 0 then
  local is_new = there == 0
  there = redis.call('SETRANGE', KEYS[2], ARGV[3], ARGV[4])
  if is_new then redis.call('EXPIRE', KEYS[2], ARGV[5]) end
end
if has_job then
  replace_broken(3)
  if redis.call('HSETNX', KEYS[3], 'waiting', 1) == 1 then
    redis.call('XADD', KEYS[4], 'MAXLEN', '~', 4096, '*', 'j', ARGV[6])
    redis.call('EXPIRE', KEYS[3], ARGV[5])
  end
end
return there
