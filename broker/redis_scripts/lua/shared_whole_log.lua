-- Needs shared_key_types. Keys are given by their places in KEYS: m is meta, l is log, s is settled.
-- is_count: true if `text` is absent or a count that HINCRBY can increment.
-- is_whole: true if the three keys have the required types and the last log entry is the last seq that was given.
-- ends_at: true if the last entry of the log is `seq`.
-- has_turns: true if the next segment of every channel can be read from meta.
local function is_count(text)
  return not text or #text < 16 and string.match(text, '^%d+$')
end

local function ends_at(seq, l)
  if not seq or not is_count(seq) then return false end
  local last = on_key(l, 'XREVRANGE', '+', '-', 'COUNT', 1)
  return last and (last[1] and last[1][1] or '0-0') == seq .. '-0'
end

local function is_whole(m, l, s)
  return ends_at(on_key(m, 'HGET', 'seq'), l) and is_sound(s)
end

local function has_turns(meta)
  local turns = {}
  for _, field in ipairs(redis.call('HKEYS', meta)) do
    if string.match(field, '^next:') then turns[#turns + 1] = field end
  end
  if #turns == 0 then return true end
  for _, turn in ipairs(redis.call('HMGET', meta, unpack(turns))) do
    if not is_count(turn) then return false end
  end
  return true
end
