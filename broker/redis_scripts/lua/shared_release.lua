-- Needs shared_append.
-- release: logs the terminal events of a channel in the order of segments, from segment `number` up to the first one
-- still missing. Returns the number of that one. Keys are given by their places in KEYS: s is settled.
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
