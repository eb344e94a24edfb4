-- KEYS meta settled state   ARGV log segment job event ms ttl [field before after] ...
-- Keep the event of a draft until its segment ends: `submit` uses it for the final with this job (its SHA-1).
-- `ms`: engine time. `field`: of meta, with a state of the call: `redaction`, or `speakers:<channel>`. `before` and
-- `after`: the state that the event was made with, and the one after it.
-- Returns the engine time of the draft that it replaces, or -1 if the call has another log or the segment has ended.
-- The state expires `ttl` seconds after its first draft: a segment is much shorter.
if on_key(1, 'HGET', 'log') ~= ARGV[1] or on_key(2, 'HEXISTS', ARGV[2]) ~= 0 then return -1 end
local there = on_key(3, 'HMGET', 'draft_ms', 'draft_after', 'speakers_after')
if not there then
  redis.call('DEL', KEYS[3])
  there = {}
end
local old = {draft = there[2], speakers = there[3]}
local kept = {'draft_of', ARGV[3], 'draft', ARGV[4], 'draft_ms', ARGV[5]}
for i = 7, #ARGV, 3 do
  local name = ARGV[i] == 'redaction' and 'draft' or 'speakers'
  old[name] = nil
  for _, value in ipairs({name .. '_before', ARGV[i + 1], name .. '_after', ARGV[i + 2]}) do
    kept[#kept + 1] = value
  end
end
for name, after in pairs(old) do
  if after then redis.call('HDEL', KEYS[3], name .. '_before', name .. '_after') end
end
redis.call('HSET', KEYS[3], unpack(kept))
if not there[1] then redis.call('EXPIRE', KEYS[3], ARGV[6]) end
return tonumber(there[1] or 0) or 0
