-- KEYS state   ARGV ttl
-- Count that a worker gives the segment to its engine. Returns the number of tries, including this one.
replace_broken(1)
local tried = count(KEYS[1], 'tried')
redis.call('EXPIRE', KEYS[1], ARGV[1])
return tried
