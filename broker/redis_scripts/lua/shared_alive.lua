-- alive: records a heartbeat of a call. Uses the clock of Redis, because the clocks of gateways differ.
local function alive(calls, call)
  redis.call('ZADD', calls, redis.call('TIME')[1], call)
end
