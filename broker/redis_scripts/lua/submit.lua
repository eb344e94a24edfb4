-- KEYS meta settled state finals audio log outbox   ARGV log owner segment ttl job size [call live channel]
-- Queue a whole segment of `size` bytes. With a call, a draft of the same job is used instead if it is done: its
-- event ends the segment at once, unless the state of redaction or of speakers is another one by now.
-- Returns 1; 2 if a draft was used; 0 if it is already queued or settled; -1 (LOG_LOST); -2 (AUDIO_MISSING) if its
-- audio is incomplete; -3 (NOT_OWNER).
-- A job in a log that may lack entries is refused too: its final could be logged before the beginning of its segment,
-- between the restore of the log and the events that the owner still has to send.
local channel, number = string.match(ARGV[3], '^(%d+)-(%d+)$')
local meta = on_key(1, 'HMGET', 'log', 'owner', 'server', 'seq', 'next:' .. channel, 'partial:' .. channel,
  'redaction', 'speakers:' .. channel)
if not meta or meta[1] ~= ARGV[1] or meta[3] ~= server() then return -1 end
if meta[2] ~= ARGV[2] then return -3 end
local events = on_key(2, 'HMGET', ARGV[3], channel .. '-' .. number + 1)
if not events then return -1 end
if events[1] then return 0 end
local state = on_key(3, 'HMGET', 'entry', 'draft', 'draft_of', 'draft_before', 'draft_after', 'speakers_before',
  'speakers_after')

local function use_draft(live, call)
  if not state or not state[2] or state[3] ~= redis.sha1hex(ARGV[5]) then return end
  if state[5] and (meta[7] or '') ~= state[4] then return end
  if state[7] and (meta[8] or '') ~= state[6] then return end
  if not is_count(meta[5]) or not ends_at(meta[4], 6) then return -1 end
  local changed = {}
  if state[5] then changed = {'redaction', state[5]} end
  if state[7] then
    changed[#changed + 1] = 'speakers:' .. channel
    changed[#changed + 1] = state[7]
  end
  local call_log = {name = meta[1], seq = meta[4], turn = meta[5], partial = meta[6], following = events[2]}
  if not record(1, 6, 2, 7, live, call, channel, tonumber(number), state[2], call_log, changed) then return broken(7) end
  redis.call('DEL', KEYS[5], KEYS[3])
  return 2
end

local used = ARGV[9] and use_draft(ARGV[8], ARGV[7])
if used then return used end
if (on_key(5, 'STRLEN') or -1) < tonumber(ARGV[6]) then return -2 end
local entry = state and state[1]
local queued = {}
if entry and string.match(entry, '^%d+-%d+$') then queued = on_key(4, 'XRANGE', entry, entry) end
if not queued then return broken(4) end
if not queued[1] then
  local is_again = entry
  entry = on_key(4, 'XADD', '*', 'j', ARGV[5])
  if not entry then return broken(4) end
  if not state then redis.call('DEL', KEYS[3]) end
  redis.call('HSET', KEYS[3], 'queued', ARGV[5], 'entry', entry)
  redis.call('EXPIRE', KEYS[3], ARGV[4])
  if not is_again then return 1 end
end
redis.call('EXPIRE', KEYS[3], ARGV[4])
redis.call('EXPIRE', KEYS[5], ARGV[4])
return queued[1] and 0 or 1
