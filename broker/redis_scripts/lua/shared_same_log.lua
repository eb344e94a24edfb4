-- log_is: true if the current log of the call is the log named `log`.
local function log_is(meta, log)
  return redis.call('HGET', meta, 'log') == log
end
