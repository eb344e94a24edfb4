-- KEYS finals meta log settled outbox audio state dead
-- ARGV group entry consumer log call live channel number event reason [field before after] ...
-- Record the terminal event of a segment once, in the order of its channel; end the job and delete the audio.
-- An empty entry means that the owner of the call (given as consumer) settles a segment that was never queued.
-- With a reason, the job is also written to the stream `dead`.
-- `field`: of meta, with a state of the call (redaction, speakers). `before`: the state that the event was made with;
-- `after`: the one that it leads to. If it is another one by now, returns 'moved' without any write: the sender makes
-- the event again.
-- Returns 'recorded', 'duplicate', 'stale' (the call has another log) or 'lost' (the sender holds neither the lease
-- nor the call). Returns 'unseen', without any write, if the owner must check the log on this server first.
local channel, number = ARGV[7], tonumber(ARGV[8])
local segment = channel .. '-' .. number
local is_queued, has_failed = ARGV[2] ~= '', ARGV[10] ~= ''
if is_queued then
  local lease = on_key(1, 'XPENDING', ARGV[1], ARGV[2], ARGV[2], 1)
  if not lease then return broken(1) end
  if #lease == 0 or lease[1][2] ~= ARGV[3] then return 'lost' end
end
local fields = {'log', 'server', 'seq', 'next:' .. channel, 'owner', 'partial:' .. channel}
for i = 11, #ARGV, 3 do fields[#fields + 1] = ARGV[i] end
local meta = on_key(2, 'HMGET', unpack(fields))
local events = meta and on_key(4, 'HMGET', segment, channel .. '-' .. number + 1)
if not events then return 'unseen' end
local is_same = meta[1] == ARGV[4]
local is_new = is_same and not events[1]
if is_new then
  if meta[2] ~= server() or not ends_at(meta[3], 3) or not is_count(meta[4]) then return 'unseen' end
  for i = 11, #ARGV, 3 do
    if (meta[7 + (i - 11) / 3] or '') ~= ARGV[i + 1] then return 'moved' end
  end
end
if is_same and not is_queued and meta[5] ~= ARGV[3] then return 'lost' end
local no = is_new and has_failed and broken(8)
if no then return no end

-- The first write is the one that the type of the outbox decides about.
local changed = {}
for i = 11, #ARGV, 3 do
  changed[#changed + 1] = ARGV[i]
  changed[#changed + 1] = ARGV[i + 2]
end
local there = meta and {name = meta[1], seq = meta[3], turn = meta[4], partial = meta[6], following = events[2]}
if is_new and not record(2, 3, 4, 5, ARGV[6], ARGV[5], channel, number, ARGV[9], there, changed) then
  return broken(5)
end
if is_queued then
  redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
  redis.call('XDEL', KEYS[1], ARGV[2])
end
if not is_same then return 'stale' end
redis.call('DEL', KEYS[6], KEYS[7])
if not is_new then return 'duplicate' end
if has_failed then
  redis.call('XADD', KEYS[8], 'MAXLEN', '~', 10000, '*', 'c', ARGV[5], 's', segment, 'r', ARGV[10])
end
return 'recorded'
