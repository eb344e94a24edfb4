-- KEYS (meta audio state partials)...   ARGV (log owner offset audio ttl job)...
-- For each of several segments: append audio at `offset` bytes. With a job, request a partial unless a request is
-- already waiting.
-- Returns for each the number of bytes stored, -1 (LOG_LOST), -3 (NOT_OWNER) or an error. If it is less than
-- `offset`, the sender must send again from there.
-- The audio expires `ttl` seconds after its first bytes, or after `submit`: a segment is much shorter.
local function append(i, offset, audio, ttl)
  if #audio == 0 then return on_key(i, 'STRLEN') or redis.call('DEL', KEYS[i]) - 1 end
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

local function request(i, stream, job, ttl)
  local waiting = on_key(i, 'HGET', 'waiting')
  if waiting == nil then redis.call('DEL', KEYS[i]) end
  if waiting == '1' then return end
  redis.call('HSET', KEYS[i], 'waiting', 1)
  redis.call('XADD', KEYS[stream], 'MAXLEN', '~', 4096, '*', 'j', job)
  if not waiting then redis.call('EXPIRE', KEYS[i], ttl) end
end

local unsound = {}

local function hear(k, log, owner, offset, audio, ttl, job)
  local stream = KEYS[k + 3]
  if #job > 0 and unsound[stream] == nil then unsound[stream] = broken(k + 3) or false end
  local no = #job > 0 and unsound[stream] or refusal_of_audio(k, log, owner)
  if no then return no end
  local there = append(k + 1, offset, audio, ttl)
  if #job > 0 and there >= offset then request(k + 2, k + 3, job, ttl) end
  return there
end

local answers = {}
for i = 0, #KEYS / 4 - 1 do
  local said = 6 * i
  answers[i + 1] = hear(
    4 * i + 1, ARGV[said + 1], ARGV[said + 2], tonumber(ARGV[said + 3]), ARGV[said + 4], ARGV[said + 5], ARGV[said + 6]
  )
end
return answers
