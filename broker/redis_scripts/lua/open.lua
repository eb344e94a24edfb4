-- KEYS meta log settled calls   ARGV log owner call checkpoint share back
-- Take ownership of a call. A call in progress keeps its log. Otherwise a new log with the given name begins,
-- unless more than `share` (0 to 1) of the memory is in use.
-- With back == 'back', an existing log goes only to its current owner or to its owner before the adoption; any
-- other sender gets ''. The memory is not checked then.
-- Returns the name of the log, or -4 (NO_ROOM).
local no = broken(4)
if no then return no end
local life, used, most = server(), memory()
local there = is_whole(1, 2, 3) and redis.call('HGET', KEYS[1], 'log')
if there and ARGV[6] == 'back' then
  local whose = redis.call('HMGET', KEYS[1], 'owner', 'adopted')
  if whose[1] ~= ARGV[2] and whose[2] ~= ARGV[2] then return '' end
end
if there and redis.call('HEXISTS', KEYS[3], 'ended') == 0 then
  redis.call('HSET', KEYS[1], 'owner', ARGV[2], 'server', life)
  redis.call('HDEL', KEYS[1], 'adopted')
  alive(KEYS[4], ARGV[3])
  return there
end
if not there and redis.call('EXISTS', KEYS[1]) == 1 and redis.call('ZSCORE', KEYS[4], ARGV[3]) then
  return redis.error_reply('BROKENLOG the log of this call is not whole: its gateway mends it within seconds')
end
if ARGV[6] ~= 'back' and most > 0 and used > most * tonumber(ARGV[5] or 1) then return -4 end
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])
redis.call('HSET', KEYS[1], 'log', ARGV[1], 'owner', ARGV[2], 'seq', 0, 'checkpoint', ARGV[4], 'server', life)
alive(KEYS[4], ARGV[3])
return ARGV[1]
