-- KEYS meta settled state   ARGV log segment revision hypothesis live event
-- Publish a partial, unless its segment is settled or a later revision was published. Returns 1 or 0, or
-- -1 (LOG_LOST).
if not is_sound(1, 2) or not log_is(KEYS[1], ARGV[1]) then return -1 end
if redis.call('HEXISTS', KEYS[2], ARGV[2]) == 1 then return 0 end
replace_broken(3)
if (tonumber(redis.call('HGET', KEYS[3], 'published') or 0) or 0) >= tonumber(ARGV[3]) then return 0 end
redis.call('HSET', KEYS[3], 'published', ARGV[3], 'hypothesis', ARGV[4])
redis.pcall('PUBLISH', ARGV[5], '- ' .. ARGV[6])
return 1
