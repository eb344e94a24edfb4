-- KEYS meta settled state finals audio log outbox   ARGV log owner segment ttl job size [call live channel]
-- Queue a whole segment of `size` bytes. With a call, a draft of the same job is used instead if it is done: its
-- event ends the segment at once, unless the state of redaction or of speakers is another one by now.
-- Returns 1; 2 if a draft was used; 0 if it is already queued or settled; -1 (LOG_LOST); -2 (AUDIO_MISSING) if its
-- audio is incomplete; -3 (NOT_OWNER).
local no, last = refusal(1, ARGV[1], ARGV[2])
if no then return no end
local is_settled = on_key(2, 'HEXISTS', ARGV[3])
if not is_settled then return -1 end
if is_settled == 1 then return 0 end

local function use_draft(live, call, channel)
  local draft = on_key(3, 'HMGET', 'draft', 'draft_of', 'draft_before', 'draft_after', 'speakers_before',
    'speakers_after')
  if not draft or not draft[1] or draft[2] ~= redis.sha1hex(ARGV[5]) then return end
  local turn, speakers = 'next:' .. channel, 'speakers:' .. channel
  local meta = redis.call('HMGET', KEYS[1], turn, 'redaction', 'partial:' .. channel, speakers)
  if draft[4] and (meta[2] or '') ~= draft[3] then return end
  if draft[6] and (meta[4] or '') ~= draft[5] then return end
  if not is_whole_to(last, 6, 2) or not is_count(meta[1]) then return -1 end
  local no = broken(7)
  if no then return no end
  redis.call('DEL', KEYS[5], KEYS[3])
  redis.call('HSET', KEYS[2], ARGV[3], draft[1])
  if draft[4] then redis.call('HSET', KEYS[1], 'redaction', draft[4]) end
  if draft[6] then redis.call('HSET', KEYS[1], speakers, draft[6]) end
  local following = release(1, 6, 2, 7, live, call, channel, tonumber(meta[1] or 0))
  redis.call('HSET', KEYS[1], turn, following)
  -- The words of partials are not kept longer than their segment.
  local partial = string.match(meta[3] or '', '^%d+')
  if partial and channel .. '-' .. partial == ARGV[3] then redis.call('HSET', KEYS[1], 'words:' .. channel, '') end
  return 2
end

local used = ARGV[9] and use_draft(ARGV[8], ARGV[7], ARGV[9])
if used then return used end
if (on_key(5, 'STRLEN') or -1) < tonumber(ARGV[6]) then return -2 end
local entry = on_key(3, 'HGET', 'entry')
local queued = {}
if entry and string.match(entry, '^%d+-%d+$') then queued = on_key(4, 'XRANGE', entry, entry) end
if not queued then return broken(4) end
if not queued[1] then
  local is_broken = entry == nil
  entry = on_key(4, 'XADD', '*', 'j', ARGV[5])
  if not entry then return broken(4) end
  if is_broken then redis.call('DEL', KEYS[3]) end
  redis.call('HSET', KEYS[3], 'queued', ARGV[5], 'entry', entry)
end
redis.call('EXPIRE', KEYS[3], ARGV[4])
redis.call('EXPIRE', KEYS[5], ARGV[4])
return queued[1] and 0 or 1
