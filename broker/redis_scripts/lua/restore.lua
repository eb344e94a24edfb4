-- KEYS meta log settled outbox calls   ARGV log owner call live checkpoint (name event)...
-- Restore the log of a call, or its end, from the events that its owner holds. Event n is written as seq n unless
-- that seq exists. Returns the last seq, or -3 (NOT_OWNER) if the call has another log or owner. A log or owner
-- that this server kept from before its restart does not cause -3.
local no = broken(4, 5)
if no then return no end
local life = server()
local there = is_sound(1) and redis.call('HMGET', KEYS[1], 'log', 'owner') or {}
local is_ours = there[1] == ARGV[1] and there[2] == ARGV[2]
if there[1] and is_seen(KEYS[1]) and not is_ours then return -3 end
if there[1] ~= ARGV[1] or not (is_whole(1, 2, 3) and has_turns(KEYS[1])) then
  redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])
  redis.call('HSET', KEYS[1], 'log', ARGV[1], 'seq', 0, 'checkpoint', ARGV[5])
end
redis.call('HSET', KEYS[1], 'owner', ARGV[2], 'server', life)
alive(KEYS[5], ARGV[3])
local channels = {}
for i = 6 + 2 * tonumber(redis.call('HGET', KEYS[1], 'seq')), #ARGV, 2 do
  redis.call('HSET', KEYS[3], ARGV[i], '')
  append(1, 2, 4, ARGV[4], ARGV[3], ARGV[i + 1])
  local channel = string.match(ARGV[i], '^(%d+)-%d+$')
  if channel then
    redis.call('HINCRBY', KEYS[1], 'next:' .. channel, 1)
    channels[channel] = true
  end
end
for channel in pairs(channels) do
  local turn = 'next:' .. channel
  local number = tonumber(redis.call('HGET', KEYS[1], turn))
  redis.call('HSET', KEYS[1], turn, release(1, 2, 3, 4, ARGV[4], ARGV[3], channel, number))
end
return tonumber(redis.call('HGET', KEYS[1], 'seq'))
