-- KEYS meta settled state   ARGV log segment revision hypothesis live event
-- Publish a partial, unless its segment is settled or a later revision was published. Returns 1 or 0, or
-- -1 (LOG_LOST).
if on_key(1, 'HGET', 'log') ~= ARGV[1] then return -1 end
local is_settled = on_key(2, 'HEXISTS', ARGV[2])
if is_settled ~= 0 then return is_settled and 0 or -1 end
local published = on_key(3, 'HGET', 'published')
if published == nil then redis.call('DEL', KEYS[3]) end
if (tonumber(published or 0) or 0) >= tonumber(ARGV[3]) then return 0 end
redis.call('HSET', KEYS[3], 'published', ARGV[3], 'hypothesis', ARGV[4])
redis.pcall('PUBLISH', ARGV[5], '- ' .. ARGV[6])
return 1
