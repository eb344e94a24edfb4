-- KEYS meta settled state finals audio log outbox   ARGV log owner segment ttl job size [call live channel]
-- Queue a whole segment of `size` bytes. With a call, a draft of the same job is used instead if it is done: its
-- event ends the segment at once, unless the state of redaction is another one by now.
-- Returns 1; 2 if a draft was used; 0 if it is already queued or settled; -1 (LOG_LOST); -2 (AUDIO_MISSING) if its
-- audio is incomplete; -3 (NOT_OWNER).
local no = broken(4) or refusal(1, ARGV[1], ARGV[2])
if no then return no end
if not is_sound(2) then return -1 end
if redis.call('HEXISTS', KEYS[2], ARGV[3]) == 1 then return 0 end

local function draft()
  local there = on_key(3, 'HMGET', 'draft', 'draft_of', 'draft_before', 'draft_after')
  if not there or not there[1] or there[2] ~= redis.sha1hex(ARGV[5]) then return end
  if there[4] and (redis.call('HGET', KEYS[1], 'redaction') or '') ~= there[3] then return end
  return {event = there[1], redaction = there[4]}
end

local done = ARGV[9] and draft()
if done then
  no = broken(7)
  if no then return no end
  if not (is_whole(1, 6, 2) and is_count(redis.call('HGET', KEYS[1], 'next:' .. ARGV[9]))) then return -1 end
  redis.call('DEL', KEYS[5], KEYS[3])
  redis.call('HSET', KEYS[2], ARGV[3], done.event)
  if done.redaction then redis.call('HSET', KEYS[1], 'redaction', done.redaction) end
  release(KEYS[1], KEYS[6], KEYS[2], KEYS[7], ARGV[8], ARGV[7], ARGV[9])
  return 2
end

if not is_sound(5) or redis.call('STRLEN', KEYS[5]) < tonumber(ARGV[6]) then return -2 end
replace_broken(3)
redis.call('EXPIRE', KEYS[5], ARGV[4])
local entry = redis.call('HGET', KEYS[3], 'entry')
if entry and string.match(entry, '^%d+-%d+$') and redis.call('XRANGE', KEYS[4], entry, entry)[1] then return 0 end
entry = redis.call('XADD', KEYS[4], '*', 'j', ARGV[5])
redis.call('HSET', KEYS[3], 'queued', ARGV[5], 'entry', entry)
redis.call('EXPIRE', KEYS[3], ARGV[4])
return 1
