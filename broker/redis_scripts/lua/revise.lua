-- KEYS meta log settled outbox   ARGV log call live segment old new revised
-- Replace the terminal event `old` of a segment by `new`, which shows less, in the log and in the outbox; append the
-- event `revised` if `old` was in the log. Returns 1; 0 if `old` is not there (any more); -1 (LOG_LOST).
local no = broken(4)
if no then return no end
if not is_sound(1, 2, 3) or not log_is(KEYS[1], ARGV[1]) then return -1 end
if not (is_seen(KEYS[1]) and is_whole(1, 2, 3)) then return -1 end
local waiting = redis.call('HGET', KEYS[3], ARGV[4])
if not waiting then return 0 end
if waiting ~= '' then
  if waiting ~= ARGV[5] then return 0 end
  redis.call('HSET', KEYS[3], ARGV[4], ARGV[6])
  return 1
end
local entries, place = redis.call('XRANGE', KEYS[2], '-', '+'), nil
for i = #entries, 1, -1 do
  if entries[i][2][2] == ARGV[5] then place = i break end
end
if not place then return 0 end
-- An entry of a stream cannot be changed, and its id cannot be given again: the log is written anew.
redis.call('DEL', KEYS[2])
for i, entry in ipairs(entries) do
  redis.call('XADD', KEYS[2], entry[1], 'e', i == place and ARGV[6] or entry[2][2])
end
local seq = string.match(entries[place][1], '^%d+')
for _, entry in ipairs(redis.call('XREVRANGE', KEYS[4], '+', '-', 'COUNT', 4096)) do
  if entry[2][8] == ARGV[5] and entry[2][2] == ARGV[2] then
    redis.call('XDEL', KEYS[4], entry[1])
    redis.call('XADD', KEYS[4], '*', 'c', ARGV[2], 'l', ARGV[1], 's', seq, 'e', ARGV[6])
    break
  end
end
append(1, 2, 4, ARGV[3], ARGV[2], ARGV[7])
return 1
