-- KEYS partials state   ARGV group entry ttl
-- Take a request for a partial from its job stream. Returns the revision of the new partial and the previous
-- hypothesis ('' if none).
if not on_key(1, 'XACK', ARGV[1], ARGV[2]) then return broken(1) end
redis.call('XDEL', KEYS[1], ARGV[2])
local there = on_key(2, 'HMGET', 'waiting', 'revision', 'hypothesis')
if not there then
  redis.call('DEL', KEYS[2])
  there = {}
end
if there[1] then redis.call('HDEL', KEYS[2], 'waiting') end
if there[2] and not string.match(there[2], '^%d+$') then redis.call('HDEL', KEYS[2], 'revision') end
local revision = redis.call('HINCRBY', KEYS[2], 'revision', 1)
redis.call('EXPIRE', KEYS[2], ARGV[3])
return {revision, there[3] or ''}
