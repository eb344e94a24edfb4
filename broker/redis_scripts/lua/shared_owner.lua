-- Needs shared_key_types and shared_server_seen. m: place of meta in KEYS.
-- refusal: -1 (LOG_LOST), -3 (NOT_OWNER) or nothing if `owner` may write to `log`; and the last seq. If the owner has
-- not checked the log on this server process, the stored owner is not reliable either: the answer is -1.
-- refusal_of_audio: the same for writes that are repeated if the log turns out to be lost: it asks for the server only
-- if the stored owner is another one. INFO costs more than the write.
local function refusal_of_audio(m, log, owner)
  local there = on_key(m, 'HMGET', 'log', 'owner')
  if not there or there[1] ~= log then return -1 end
  if there[2] ~= owner then return is_seen(KEYS[m]) and -3 or -1 end
end

local function refusal(m, log, owner)
  local there = on_key(m, 'HMGET', 'log', 'owner', 'server', 'seq')
  if not there or there[1] ~= log or there[3] ~= server() then return -1 end
  if there[2] ~= owner then return -3 end
  return nil, there[4]
end
