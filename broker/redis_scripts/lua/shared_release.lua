-- Needs shared_append. Keys are given by their places in KEYS: m is meta, l is log, s is settled, o is the outbox.
-- release: logs the terminal events of a channel in the order of segments, from segment `number` up to the first one
-- still missing. Returns the number of that one.
-- record: the terminal event of a segment that has none yet. Logs it, and those that waited for it, or keeps it in
-- settled until its turn. `there`: what the sender has read: `name` of the log, `seq`, `turn` (next segment of the
-- channel), `partial`, and `following`, the terminal event of the next segment. `changed`: fields of meta to change,
-- and their values. Returns true, or nothing, without any write, if the outbox has a wrong type.
local function release(m, l, s, o, live, call, channel, number)
  while true do
    local field = channel .. '-' .. number
    local event = redis.call('HGET', KEYS[s], field)
    if not event or event == '' then return number end
    append(m, l, o, live, call, event)
    redis.call('HSET', KEYS[s], field, '')
    number = number + 1
  end
end

local function record(m, l, s, o, live, call, channel, number, event, there, changed)
  local function change(field, value)
    changed[#changed + 1] = field
    changed[#changed + 1] = value
  end
  local turn, words = 'next:' .. channel, 'words:' .. channel
  local is_next = number == tonumber(there.turn or 0)
  if is_next then
    local seq = append_as(there.seq + 1, there.name, l, o, live, call, event)
    if not seq then return end
    change('seq', seq)
    change(turn, number + 1)
  end
  redis.call('HSET', KEYS[s], channel .. '-' .. number, is_next and '' or event)
  -- The words of partials are not kept longer than their segment.
  local partial = tonumber(string.match(there.partial or '', '^%d+'))
  if partial == number then change(words, '') end
  if #changed > 0 then redis.call('HSET', KEYS[m], unpack(changed)) end
  if is_next and there.following and there.following ~= '' then
    local after = release(m, l, s, o, live, call, channel, number + 1)
    redis.call('HSET', KEYS[m], turn, after)
    if partial and partial < after then redis.call('HSET', KEYS[m], words, '') end
  end
  return true
end
