-- KEYS finals meta log settled outbox audio state dead
-- ARGV group entry consumer log call live channel number event reason [before after]
-- Record the terminal event of a segment once, in the order of its channel; end the job and delete the audio.
-- An empty entry means that the owner of the call (given as consumer) settles a segment that was never queued.
-- With a reason, the job is also written to the stream `dead`.
-- `before` and `after`: the state of redaction that the event was made with, and the state that it leads to. If the
-- state is another one by now, returns 'moved' without any write: the sender redacts again.
-- Returns 'recorded', 'duplicate', 'stale' (the call has another log) or 'lost' (the sender holds neither the lease
-- nor the call). Returns 'unseen', without any write, if the owner must check the log on this server first.
local no = broken(1, 5, 8)
if no then return no end
local segment = ARGV[7] .. '-' .. ARGV[8]
if ARGV[2] ~= '' then
  local lease = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[2], ARGV[2], 1)
  if #lease == 0 or lease[1][2] ~= ARGV[3] then return 'lost' end
end
if not is_sound(2, 4) then return 'unseen' end
local is_same = log_is(KEYS[2], ARGV[4])
local is_new = is_same and redis.call('HEXISTS', KEYS[4], segment) == 0
local turn = redis.call('HGET', KEYS[2], 'next:' .. ARGV[7])
if is_new and not (is_seen(KEYS[2]) and is_whole(2, 3, 4) and is_count(turn)) then return 'unseen' end
if is_new and ARGV[12] and (redis.call('HGET', KEYS[2], 'redaction') or '') ~= ARGV[11] then return 'moved' end
if ARGV[2] ~= '' then
  redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
  redis.call('XDEL', KEYS[1], ARGV[2])
end
if not is_same then return 'stale' end
if ARGV[2] == '' and redis.call('HGET', KEYS[2], 'owner') ~= ARGV[3] then return 'lost' end
redis.call('DEL', KEYS[6], KEYS[7])
if not is_new then return 'duplicate' end
redis.call('HSET', KEYS[4], segment, ARGV[9])
if ARGV[12] then redis.call('HSET', KEYS[2], 'redaction', ARGV[12]) end
if ARGV[10] ~= '' then
  redis.call('XADD', KEYS[8], 'MAXLEN', '~', 10000, '*', 'c', ARGV[5], 's', segment, 'r', ARGV[10])
end
release(KEYS[2], KEYS[3], KEYS[4], KEYS[5], ARGV[6], ARGV[5], ARGV[7])
return 'recorded'
