-- KEYS calls meta...   ARGV (log owner call)...
-- Record a heartbeat of several calls of a gateway, without checkpoints. Skips calls that have another log or owner
-- and calls that this server process does not know. Returns the number of calls that belong to the sender.
local no = broken(1)
if no then return no end
local here, owned = server(), 0
for i = 2, #KEYS do
  local said = 3 * i - 5
  if redis.call('TYPE', KEYS[i]).ok == 'hash' then
    local there = redis.call('HMGET', KEYS[i], 'log', 'owner', 'server')
    if there[1] == ARGV[said] and there[2] == ARGV[said + 1] and there[3] == here then
      alive(KEYS[1], ARGV[said + 2])
      owned = owned + 1
    end
  end
end
return owned
