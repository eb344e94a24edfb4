-- KEYS state   ARGV ttl
-- Count that a worker gives the segment to its engine. Returns the number of tries, including this one. A count that
-- is no number begins again.
local tried = redis.pcall('HINCRBY', KEYS[1], 'tried', 1)
if type(tried) == 'table' then
  replace_broken(1)
  redis.call('HSET', KEYS[1], 'tried', 1)
  tried = 1
end
if tried == 1 then redis.call('EXPIRE', KEYS[1], ARGV[1]) end
return tried
