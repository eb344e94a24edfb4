-- KEYS usage   ARGV process count most lease
-- Record that a process uses `count` of something, for `lease` seconds, if all processes together then use at most
-- `most`; a negative `most` is no limit. Counts of processes that have not renewed theirs in time are removed.
-- Returns {1 if it was recorded else 0, what the other processes use}.
local no = broken(1)
if no then return no end
local now, lease = tonumber(redis.call('TIME')[1]), tonumber(ARGV[4])
local all, others = redis.call('HGETALL', KEYS[1]), 0
for i = 1, #all, 2 do
  if all[i] ~= ARGV[1] then
    local used, ends = string.match(all[i + 1], '^(%d+) (%d+)$')
    if used and now <= tonumber(ends) then
      others = others + tonumber(used)
    else
      redis.call('HDEL', KEYS[1], all[i])
    end
  end
end
local count, most = tonumber(ARGV[2]), tonumber(ARGV[3])
if most >= 0 and others + count > most then return {0, others} end
if count > 0 then
  redis.call('HSET', KEYS[1], ARGV[1], string.format('%d %d', count, now + lease))
  redis.call('EXPIRE', KEYS[1], lease + 1)
else
  redis.call('HDEL', KEYS[1], ARGV[1])
end
return {1, others}
