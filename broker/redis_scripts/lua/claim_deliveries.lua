-- KEYS due waiting   ARGV most lease
-- Claim requests that are due: they are due again when the lease, in seconds, is over. Returns their keys and contents.
local no = broken(1, 2)
if no then return no end
local now, claimed = tonumber(redis.call('TIME')[1]), {}
for _, key in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[1])) do
  local delivery = redis.call('HGET', KEYS[2], key)
  if delivery then
    redis.call('ZADD', KEYS[1], now + ARGV[2], key)
    claimed[#claimed + 1] = key
    claimed[#claimed + 1] = delivery
  else
    redis.call('ZREM', KEYS[1], key)
  end
end
return claimed
