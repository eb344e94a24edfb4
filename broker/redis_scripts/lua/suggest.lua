-- KEYS meta...   ARGV (log channel number entry revision redaction hypothesis live event)...
-- Publish partials that follow `revision` of their segment and are made with this state of redaction.
-- Returns for each 1; 0 if a later segment of the channel has a partial, if the segment is settled in the log, or if
-- the request `entry` is not newer than the one of the last partial; -1 (LOG_LOST). If another partial was published
-- or the state of redaction is another one by now, returns without any write what the partial must follow: revision,
-- state of redaction, hypothesis. `redaction` is '*' for a partial that is the same with any state.
-- meta has the last partial of each channel: `partial:<channel>` (number, revision and request) and `words:<channel>`.
local function is_newer(entry, first, second)
  local a, b = string.match(entry, '^(%d+)%-(%d+)$')
  a, b, first, second = tonumber(a), tonumber(b), tonumber(first), tonumber(second)
  return a > first or a == first and b > second
end

local function suggest(k, log, channel, number, entry, revision, redaction, hypothesis, live, event)
  local place, words = 'partial:' .. channel, 'words:' .. channel
  local there = on_key(k, 'HMGET', 'log', 'next:' .. channel, 'redaction', place, words)
  if not there or there[1] ~= log then return -1 end
  local segment = tonumber(number)
  if segment < (tonumber(there[2] or 0) or 0) then return 0 end
  local of, last, first, second = string.match(there[4] or '', '^(%d+) (%d+) (%d+)%-(%d+)$')
  local later = tonumber(of or -1) - segment
  if later > 0 or later == 0 and not is_newer(entry, first, second) then return 0 end
  if later < 0 then last = '0' end
  local state = there[3] or ''
  if last ~= revision or redaction ~= '*' and state ~= redaction then
    return {tonumber(last), state, later == 0 and there[5] or ''}
  end
  redis.call('HSET', KEYS[k], place, number .. ' ' .. last + 1 .. ' ' .. entry, words, hypothesis)
  redis.pcall('PUBLISH', live, '- ' .. event)
  return 1
end

local answers = {}
for i = 1, #KEYS do answers[i] = suggest(i, unpack(ARGV, 9 * i - 8, 9 * i)) end
return answers
