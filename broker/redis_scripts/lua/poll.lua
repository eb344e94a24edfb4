-- KEYS partials state...   ARGV group ttl entry...
-- Take requests for partials from their job stream. Returns for each the revision of the new partial and the previous
-- hypothesis ('' if none).
if not on_key(1, 'XACK', ARGV[1], unpack(ARGV, 3)) then return broken(1) end
redis.call('XDEL', KEYS[1], unpack(ARGV, 3))
local answers = {}
for i = 2, #KEYS do
  local there = on_key(i, 'HMGET', 'revision', 'hypothesis')
  if not there then
    redis.call('DEL', KEYS[i])
    there = {}
  end
  local last = string.match(there[1] or '', '^%d+$') or '0'
  local revision = #last < 16 and tonumber(last) + 1 or 1
  redis.call('HSET', KEYS[i], 'waiting', 0, 'revision', string.format('%.0f', revision))
  redis.call('EXPIRE', KEYS[i], ARGV[2])
  answers[i - 1] = {revision, there[2] or ''}
end
return answers
