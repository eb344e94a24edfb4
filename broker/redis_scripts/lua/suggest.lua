-- KEYS (meta settled state)...   ARGV (log segment revision hypothesis live event)...
-- Publish partials, each unless its segment is settled or a later revision was published. Returns for each 1 or 0, or
-- -1 (LOG_LOST).
local function suggest(k, log, segment, revision, hypothesis, live, event)
  if on_key(k, 'HGET', 'log') ~= log then return -1 end
  local is_settled = on_key(k + 1, 'HEXISTS', segment)
  if is_settled ~= 0 then return is_settled and 0 or -1 end
  local published = on_key(k + 2, 'HGET', 'published')
  if published == nil then redis.call('DEL', KEYS[k + 2]) end
  if (tonumber(published or 0) or 0) >= tonumber(revision) then return 0 end
  redis.call('HSET', KEYS[k + 2], 'published', revision, 'hypothesis', hypothesis)
  redis.pcall('PUBLISH', live, '- ' .. event)
  return 1
end

local answers = {}
for i = 0, #KEYS / 3 - 1 do
  answers[i + 1] = suggest(3 * i + 1, unpack(ARGV, 6 * i + 1, 6 * i + 6))
end
return answers
