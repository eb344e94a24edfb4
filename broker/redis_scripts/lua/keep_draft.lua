-- KEYS meta settled state   ARGV log segment job event ms ttl [before after]
-- Keep the event of a draft until its segment ends: `submit` uses it for the final with this job (its SHA-1).
-- `ms`: engine time. `before` and `after`: the state of redaction that the event was made with, and the one after it.
-- Returns the engine time of the draft that it replaces, or -1 if the call has another log or the segment has ended.
if on_key(1, 'HGET', 'log') ~= ARGV[1] or on_key(2, 'HEXISTS', ARGV[2]) ~= 0 then return -1 end
replace_broken(3)
local replaced = redis.call('HGET', KEYS[3], 'draft_ms')
redis.call('HSET', KEYS[3], 'draft_of', ARGV[3], 'draft', ARGV[4], 'draft_ms', ARGV[5])
redis.call('HDEL', KEYS[3], 'draft_before', 'draft_after')
if ARGV[8] then redis.call('HSET', KEYS[3], 'draft_before', ARGV[7], 'draft_after', ARGV[8]) end
redis.call('EXPIRE', KEYS[3], ARGV[6])
return tonumber(replaced or 0) or 0
