-- KEYS meta settled state   ARGV log segment job event ms ttl [field before after] ...
-- Keep the event of a draft until its segment ends: `submit` uses it for the final with this job (its SHA-1).
-- `ms`: engine time. `field`: of meta, with a state of the call: `redaction`, or `speakers:<channel>`. `before` and
-- `after`: the state that the event was made with, and the one after it.
-- Returns the engine time of the draft that it replaces, or -1 if the call has another log or the segment has ended.
if on_key(1, 'HGET', 'log') ~= ARGV[1] or on_key(2, 'HEXISTS', ARGV[2]) ~= 0 then return -1 end
replace_broken(3)
local replaced = redis.call('HGET', KEYS[3], 'draft_ms')
redis.call('HSET', KEYS[3], 'draft_of', ARGV[3], 'draft', ARGV[4], 'draft_ms', ARGV[5])
redis.call('HDEL', KEYS[3], 'draft_before', 'draft_after', 'speakers_before', 'speakers_after')
for i = 7, #ARGV, 3 do
  local name = ARGV[i] == 'redaction' and 'draft' or 'speakers'
  redis.call('HSET', KEYS[3], name .. '_before', ARGV[i + 1], name .. '_after', ARGV[i + 2])
end
redis.call('EXPIRE', KEYS[3], ARGV[6])
return tonumber(replaced or 0) or 0
