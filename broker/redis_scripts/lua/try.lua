-- KEYS state...   ARGV ttl
-- Count that a worker gives these segments to its engine. Returns for each the number of tries, including this one,
-- and the engine time in ms of a draft of the segment that was done and is not used. A count that is no number begins
-- again. A state with a job has its expiry of `submit`.
local function try(i)
  local there = on_key(i, 'HMGET', 'tried', 'draft_ms', 'queued')
  if not there then
    redis.call('DEL', KEYS[i])
    there = {}
  end
  local tried = (is_count(there[1]) and tonumber(there[1] or 0) or 0) + 1
  redis.call('HSET', KEYS[i], 'tried', tried)
  if not there[3] then redis.call('EXPIRE', KEYS[i], ARGV[1]) end
  return {tried, is_count(there[2]) and tonumber(there[2] or 0) or 0}
end

local answers = {}
for i = 1, #KEYS do answers[i] = try(i) end
return answers
