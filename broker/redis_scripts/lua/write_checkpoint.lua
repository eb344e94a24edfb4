-- KEYS (meta calls log settled)...   ARGV (log owner call checkpoint)...
-- For each of several calls: record a heartbeat and the checkpoint. Returns for each 0, -1 (LOG_LOST), -3 (NOT_OWNER)
-- or an error. The type of settled is checked by the scripts that use it.
local here = server()
local now = redis.call('TIME')[1]
local calls, unsound = {}, {}

local function refused(k, log, owner)
  local meta = {}
  local fields = on_key(k, 'HGETALL') or {}
  for i = 1, #fields, 2 do meta[fields[i]] = fields[i + 1] end
  if meta.log ~= log or meta.server ~= here then return -1 end
  if meta.owner ~= owner then return -3 end
  if not ends_at(meta.seq, k + 2) then return -1 end
  for field, turn in pairs(meta) do
    if string.match(field, '^next:') and not is_count(turn) then return -1 end
  end
end

local function write(k, log, owner, call, checkpoint)
  local set = KEYS[k + 1]
  if unsound[set] == nil then unsound[set] = broken(k + 1) or false end
  local no = unsound[set] or refused(k, log, owner)
  if no then return no end
  redis.call('HSET', KEYS[k], 'checkpoint', checkpoint)
  local alive = calls[set] or {}
  calls[set] = alive
  alive[#alive + 1] = now
  alive[#alive + 1] = call
  return 0
end

local answers = {}
for i = 0, #KEYS / 4 - 1 do
  answers[i + 1] = write(4 * i + 1, unpack(ARGV, 4 * i + 1, 4 * i + 4))
end
for set, alive in pairs(calls) do redis.call('ZADD', set, unpack(alive)) end
return answers
