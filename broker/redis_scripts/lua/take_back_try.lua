-- KEYS state
-- Do not count the newest try of the segment. Returns the number of tries that remain.
if not is_sound(1) then return 0 end
local tried = redis.call('HGET', KEYS[1], 'tried')
if not tried or #tried > 9 or not string.match(tried, '^[1-9]%d*$') then return 0 end
return redis.call('HINCRBY', KEYS[1], 'tried', -1)
