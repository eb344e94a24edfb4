-- Needs shared_key_types. Keys are given by their places in KEYS: m is meta, l is log, o is the outbox.
-- append_as: writes an event as `seq` to the outbox and to the log named `name`, and publishes it. The caller stores
-- the seq. Returns nothing, without any write, if the outbox has a wrong type.
-- append: gives the event the next seq and does the same. Returns the seq.
-- A refused publication is ignored: readers find the event in the log.
local function append_as(seq, name, l, o, live, call, event)
  if not on_key(o, 'XADD', '*', 'c', call, 'l', name, 's', seq, 'e', event) then return end
  redis.call('XADD', KEYS[l], seq .. '-0', 'e', event)
  redis.pcall('PUBLISH', live, seq .. ' ' .. event)
  return seq
end

local function append(m, l, o, live, call, event)
  local seq = redis.call('HINCRBY', KEYS[m], 'seq', 1)
  return append_as(seq, redis.call('HGET', KEYS[m], 'log'), l, o, live, call, event)
end
