-- KEYS outbox
-- State of the server of a partition. Returns its run_id, bytes in use, their limit (0: none), the id of the oldest
-- entry of the outbox ('' if empty), the id of the last entry ever added, and the number of entries ever added.
local no = broken(1)
if no then return no end
local used, most = memory()
local stream = {['last-generated-id'] = '0-0', ['entries-added'] = 0}
if redis.call('EXISTS', KEYS[1]) == 1 then
  local facts = redis.call('XINFO', 'STREAM', KEYS[1])
  for i = 1, #facts, 2 do stream[facts[i]] = facts[i + 1] end
end
local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)
return {
  server(), used, most, first[1] and first[1][1] or '', stream['last-generated-id'], stream['entries-added']
}
