-- KEYS stream...   ARGV group consumer most (idle count)...
-- Claim jobs of each stream whose lease has expired, the oldest first: for each pair, at most `count` jobs that were
-- idle for at least `idle` milliseconds; at most `most` jobs of all pairs. Returns for each stream entry, number of
-- deliveries (including this one) and fields of each job.
local most = tonumber(ARGV[3])
local shortest = tonumber(ARGV[4])
for i = 6, #ARGV, 2 do shortest = math.min(shortest, tonumber(ARGV[i])) end

-- The leases that were idle for that long. All of them, if there are few: that costs one command for all pairs.
local function expired(stream, all, idle, count)
  if #all > most then
    return redis.call('XPENDING', KEYS[stream], ARGV[1], 'IDLE', idle, '-', '+', count)
  end
  local found = {}
  for _, lease in ipairs(all) do
    if #found < tonumber(count) and lease[3] >= tonumber(idle) then found[#found + 1] = lease end
  end
  return found
end

local function take(stream, all)
  local taken, seen = {}, {}
  for i = 4, #ARGV, 2 do
    for _, lease in ipairs(expired(stream, all, ARGV[i], ARGV[i + 1])) do
      if #taken == most then return taken end
      local claimed = not seen[lease[1]]
        and redis.call('XCLAIM', KEYS[stream], ARGV[1], ARGV[2], ARGV[i], lease[1]) or {}
      seen[lease[1]] = true
      if #claimed == 1 then taken[#taken + 1] = {lease[1], lease[4] + 1, claimed[1][2]} end
    end
  end
  return taken
end

local answers = {}
for stream = 1, #KEYS do
  local all = on_key(stream, 'XPENDING', ARGV[1], 'IDLE', shortest, '-', '+', most + 1)
  if not all then return broken(stream) end
  answers[stream] = all
end
for stream, all in ipairs(answers) do answers[stream] = #all > 0 and take(stream, all) or {} end
return answers
