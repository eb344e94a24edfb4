-- count: increments a field and returns it. A field that is not a number counts as 0.
local function count(hash, field)
  local there = redis.call('HGET', hash, field)
  if there and not string.match(there, '^%d+$') then redis.call('HDEL', hash, field) end
  return redis.call('HINCRBY', hash, field, 1)
end
