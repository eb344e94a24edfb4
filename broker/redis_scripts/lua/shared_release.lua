-- Needs shared_append.
-- release: logs the terminal events of a channel in the order of segments, up to the first one still missing.
local function release(meta, log, settled, outbox, live, call, channel)
  local turn = 'next:' .. channel
  local number = tonumber(redis.call('HGET', meta, turn) or 0)
  while true do
    local field = channel .. '-' .. number
    local event = redis.call('HGET', settled, field)
    if not event or event == '' then break end
    append(meta, log, outbox, live, call, event)
    redis.call('HSET', settled, field, '')
    number = number + 1
  end
  redis.call('HSET', meta, turn, number)
end
