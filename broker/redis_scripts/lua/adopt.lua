-- KEYS meta calls log settled   ARGV owner call seconds
-- Take ownership of a call whose gateway has sent no heartbeat for `seconds`. The previous owner is kept in the
-- field `adopted`.
-- Returns the name of the log, or '' if the call has an owner again or has ended, or if its log is broken and has
-- no owner that could restore it.
local no = broken(2)
if no then return no end
local last = redis.call('ZSCORE', KEYS[2], ARGV[2])
if not last or redis.call('TIME')[1] - last < tonumber(ARGV[3]) then return '' end
local life = server()
local there = is_whole(1, 3, 4) and redis.call('HGET', KEYS[1], 'log')
if not there then
  redis.call('ZREM', KEYS[2], ARGV[2])
  return ''
end
local before = redis.call('HGET', KEYS[1], 'owner')
if before and before ~= ARGV[1] then redis.call('HSETNX', KEYS[1], 'adopted', before) end
redis.call('HSET', KEYS[1], 'owner', ARGV[1], 'server', life)
alive(KEYS[2], ARGV[2])
return there
