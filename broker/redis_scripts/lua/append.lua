-- KEYS (meta log settled outbox)...   ARGV (log owner call live name event)...
-- Log events of gateways, each once for its name. Returns for each its seq, 0 if the name is already logged,
-- -1 (LOG_LOST), -3 (NOT_OWNER) or an error.
local function log(k, name, owner, call, live, key, event)
  local no, last = refusal(k, name, owner)
  if no then return no end
  if not ends_at(last, k + 1) then return -1 end
  local is_new = on_key(k + 2, 'HSETNX', key, '')
  if is_new ~= 1 then return is_new or -1 end
  local seq = append_as(last + 1, name, k + 1, k + 3, live, call, event)
  if not seq then
    redis.call('HDEL', KEYS[k + 2], key)
    return broken(k + 3)
  end
  redis.call('HSET', KEYS[k], 'seq', seq)
  return seq
end

local answers = {}
for i = 0, #KEYS / 4 - 1 do
  answers[i + 1] = log(4 * i + 1, unpack(ARGV, 6 * i + 1, 6 * i + 6))
end
return answers
