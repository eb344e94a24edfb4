-- append: gives the event the next seq, writes it to the log and the outbox, and publishes it. Returns the seq.
-- A refused publication is ignored: readers find the event in the log.
local function append(meta, log, outbox, live, call, event)
  local seq = redis.call('HINCRBY', meta, 'seq', 1)
  redis.call('XADD', log, seq .. '-0', 'e', event)
  redis.call('XADD', outbox, '*', 'c', call, 'l', redis.call('HGET', meta, 'log'), 's', seq, 'e', event)
  redis.pcall('PUBLISH', live, seq .. ' ' .. event)
  return seq
end
