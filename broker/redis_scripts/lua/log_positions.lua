#!lua flags=no-writes,allow-oom
-- KEYS meta...
-- Returns the name of the log and the last seq of each call; false for a value that is missing.
local positions = {}
for number, meta in ipairs(KEYS) do
  positions[number] = redis.call('HMGET', meta, 'log', 'seq')
end
return positions
