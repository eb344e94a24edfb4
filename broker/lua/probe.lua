-- KEYS outbox   ARGV group
-- State of the server of a partition. Returns its run_id, bytes in use, their limit (0: none), the id of the oldest
-- entry of the outbox ('' if empty), the id of the last entry ever added, and the number of entries ever added.
-- Creates the outbox and its group if they are missing: a recorder that starts when the server is full could not.
local no = broken(1)
if no then return no end
local used, most = memory()
redis.pcall('XGROUP', 'CREATE', KEYS[1], ARGV[1], '0', 'MKSTREAM')
local facts = redis.call('XINFO', 'STREAM', KEYS[1])
local stream = {}
for i = 1, #facts, 2 do stream[facts[i]] = facts[i + 1] end
local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)
return {
  server(), used, most, first[1] and first[1][1] or '', stream['last-generated-id'], stream['entries-added']
}
