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
local turn = 'next:' .. channel
local meta = on_key(2, 'HMGET', 'log', 'server', 'seq', turn, 'owner', 'partial:' .. channel)
local events = meta and on_key(4, 'HMGET', segment, channel .. '-' .. number + 1)
if not events then return 'unseen' end
local is_same = meta[1] == ARGV[4]
local is_new = is_same and not events[1]
if is_new then
  if meta[2] ~= server() or not is_whole_to(meta[3], 3, 4) or not is_count(meta[4]) then return 'unseen' end
  for i = 11, #ARGV, 3 do
    if (redis.call('HGET', KEYS[2], ARGV[i]) or '') ~= ARGV[i + 1] then return 'moved' end
  end
end
if is_same and not is_queued and meta[5] ~= ARGV[3] then return 'lost' end
local no = is_new and has_failed and broken(8)
if no then return no end

-- The first write is the one that the type of the outbox decides about.
local is_next = is_new and number == tonumber(meta[4] or 0)
local seq = is_next and append_as(meta[3] + 1, meta[1], 3, 5, ARGV[6], ARGV[5], ARGV[9])
if is_next and not seq then return broken(5) end
if is_queued then
  redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
  redis.call('XDEL', KEYS[1], ARGV[2])
end
if not is_same then return 'stale' end
redis.call('DEL', KEYS[6], KEYS[7])
if not is_new then return 'duplicate' end
redis.call('HSET', KEYS[4], segment, is_next and '' or ARGV[9])
if has_failed then
  redis.call('XADD', KEYS[8], 'MAXLEN', '~', 10000, '*', 'c', ARGV[5], 's', segment, 'r', ARGV[10])
end
local changed = {}
local function change(...)
  for _, one in ipairs({...}) do changed[#changed + 1] = one end
end
for i = 11, #ARGV, 3 do change(ARGV[i], ARGV[i + 2]) end
if is_next then change('seq', seq, turn, number + 1) end
-- The words of partials are not kept longer than their segment.
local partial, words = tonumber(string.match(meta[6] or '', '^%d+')), 'words:' .. channel
if partial == number then change(words, '') end
if #changed > 0 then redis.call('HSET', KEYS[2], unpack(changed)) end
if is_next and events[2] and events[2] ~= '' then
  local following = release(2, 3, 4, 5, ARGV[6], ARGV[5], channel, number + 1)
  redis.call('HSET', KEYS[2], turn, following)
  if partial and partial < following then redis.call('HSET', KEYS[2], words, '') end
end
return 'recorded'
