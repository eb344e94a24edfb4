-- KEYS (meta audio stream)...   ARGV (log owner offset audio ttl job)...
-- For each of several segments: append audio at `offset` bytes. With a job, queue it: a request for a partial, or for
-- the draft of the first `offset` bytes, without audio.
-- Returns for each the number of bytes stored, -1 (LOG_LOST), -3 (NOT_OWNER) or an error. If it is less than
-- `offset`, the sender must send again from there.
-- The audio expires `ttl` seconds after its first bytes: a segment is much shorter, and `submit` renews what waits.
local function write(i, offset, audio, ttl)
  local there = on_key(i, 'APPEND', audio)
  if not there then
    redis.call('DEL', KEYS[i])
    there = redis.call('APPEND', KEYS[i], audio)
  end
  local before = there - #audio
  if before == offset then
    if before == 0 then redis.call('EXPIRE', KEYS[i], ttl) end
    return there
  end
  -- It was sent before, or Redis lacks what comes before it.
  if before == 0 then
    redis.call('DEL', KEYS[i])
    return 0
  end
  redis.call('SET', KEYS[i], redis.call('GETRANGE', KEYS[i], 0, before - 1), 'KEEPTTL')
  return offset > before and before or redis.call('SETRANGE', KEYS[i], offset, audio)
end

local owned, lengths = {}, {}

-- The length is read only if nothing was written in this run: a draft comes with the latest audio of its segment.
local function append(i, offset, audio, ttl)
  local there = lengths[KEYS[i]]
  if #audio > 0 then
    there = write(i, offset, audio, ttl)
  elseif not there then
    there = on_key(i, 'STRLEN') or redis.call('DEL', KEYS[i]) - 1
  end
  lengths[KEYS[i]] = there
  return there
end

-- refusal_of_audio, once for all segments of a call.
local function refused(k, log, owner)
  local whose = KEYS[k] .. ' ' .. log .. ' ' .. owner
  if owned[whose] == nil then owned[whose] = refusal_of_audio(k, log, owner) or false end
  return owned[whose]
end

local function hear(k, log, owner, offset, audio, ttl, job)
  local no = refused(k, log, owner)
  if no then return no end
  if #job == 0 then return append(k + 1, offset, audio, ttl) end
  -- Queued first, as the type of the stream decides about the audio too. No worker reads between two commands.
  local entry = on_key(k + 2, 'XADD', 'MAXLEN', '~', 4096, '*', 'j', job)
  if not entry then return broken(k + 2) end
  local there = append(k + 1, offset, audio, ttl)
  if there < offset then redis.call('XDEL', KEYS[k + 2], entry) end
  return there
end

local answers = {}
for i = 0, #KEYS / 3 - 1 do
  local said = 6 * i
  answers[i + 1] = hear(
    3 * i + 1, ARGV[said + 1], ARGV[said + 2], tonumber(ARGV[said + 3]), ARGV[said + 4], ARGV[said + 5], ARGV[said + 6]
  )
end
return answers
