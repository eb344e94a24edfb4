-- KEYS calls meta...   ARGV (log owner call)...
-- Record a heartbeat of several calls of a gateway, without checkpoints. Skips calls that have another log or owner
-- and calls that this server process does not know. Returns the number of calls that belong to the sender.
local no = broken(1)
if no then return no end
local here, now, owned = server(), redis.call('TIME')[1], {}
for i = 2, #KEYS do
  local said = 3 * i - 5
  local there = on_key(i, 'HMGET', 'log', 'owner', 'server') or {}
  if there[1] == ARGV[said] and there[2] == ARGV[said + 1] and there[3] == here then
    owned[#owned + 1] = now
    owned[#owned + 1] = ARGV[said + 2]
  end
end
if #owned > 0 then redis.call('ZADD', KEYS[1], unpack(owned)) end
return #owned / 2
