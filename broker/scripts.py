"""
What happens in Redis in one step.

Each script is sent the full list of its keys, all of one partition (see keys.py), and may be sent twice with
the same arguments: the second time changes nothing.  They run on Redis 7.0 and Valkey 7.2 or newer.

Every script that touches a call is told which log its sender means, and a gateway's also which owner of the
call it is.  `NOT_OWNER` says that a newer connection, or another gateway, has taken the call.  `LOG_LOST` says
that its log is another one or none (Redis came back empty, or the call is a new one), or that nobody knows how
much of it is there: a server that was started again from its file, or a replica that took over, may lack the newest
events.  Nothing is logged on such a server before the owner of the call has told it what it lacks.  A log whose
keys were spoilt by somebody else counts as lost too.

No script writes before it has looked at all that may be wrong: see lua.py.
"""

from .lua import (
    ALIVE,
    APPENDING,
    COUNTING,
    MEMORY,
    OWNED,
    RELEASING,
    SAME_LOG,
    SEEN,
    WHOLE,
    Script,
    script,
)

__all__ = [
    "ADOPT",
    "APPEND",
    "APPEND_AUDIO",
    "AUDIO_MISSING",
    "HEARTBEAT",
    "LOG_LOST",
    "NOT_OWNER",
    "NO_ROOM",
    "OPEN",
    "PROBE",
    "RESEND",
    "RESTORE",
    "RETIRE",
    "SETTLE",
    "SUBMIT",
    "SUGGEST",
    "TRY",
    "WRITE_CHECKPOINT",
    "Script",
]

LOG_LOST = -1
"""Answer of every script when the log that the sender means is not there, or not known to be whole."""

AUDIO_MISSING = -2
"""Answer of `SUBMIT` when the audio of the segment is not all there."""

NOT_OWNER = -3
"""Answer of a gateway's script when the call has another owner by now."""

NO_ROOM = -4
"""Answer of `OPEN` to a new call when the memory of Redis is used up to the share that was given."""

OPEN = script(
    "open",
    ("hash", "stream", "hash", "zset"),
    SEEN,
    WHOLE,
    ALIVE,
    MEMORY,
    """
-- KEYS meta log settled calls   ARGV log owner call checkpoint share back
-- Own a call from now on.  One that is in progress keeps its log; else a new log begins under the name given,
-- unless so large a share (0 to 1) of the memory is in use.  With `back` only if nobody but an adopter has owned it
-- since the owner: then nothing is returned, and the memory is not looked at.
-- Returns the name of the call's log, or -4.
local no = broken(4)
if no then return no end
local life, used, most = server(), memory()
local there = is_whole(1, 2, 3) and redis.call('HGET', KEYS[1], 'log')
if there and ARGV[6] == 'back' then
  local whose = redis.call('HMGET', KEYS[1], 'owner', 'adopted')
  if whose[1] ~= ARGV[2] and whose[2] ~= ARGV[2] then return '' end
end
if there and redis.call('HEXISTS', KEYS[3], 'ended') == 0 then
  redis.call('HSET', KEYS[1], 'owner', ARGV[2], 'server', life)
  redis.call('HDEL', KEYS[1], 'adopted')
  alive(KEYS[4], ARGV[3])
  return there
end
if not there and redis.call('EXISTS', KEYS[1]) == 1 and redis.call('ZSCORE', KEYS[4], ARGV[3]) then
  return redis.error_reply('BROKENLOG the log of this call is not whole: its gateway mends it within seconds')
end
if ARGV[6] ~= 'back' and most > 0 and used > most * tonumber(ARGV[5] or 1) then return -4 end
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])
redis.call('HSET', KEYS[1], 'log', ARGV[1], 'owner', ARGV[2], 'seq', 0, 'checkpoint', ARGV[4], 'server', life)
alive(KEYS[4], ARGV[3])
return ARGV[1]
""",
)

ADOPT = script(
    "adopt",
    ("hash", "zset", "stream", "hash"),
    SEEN,
    WHOLE,
    ALIVE,
    """
-- KEYS meta calls log settled   ARGV owner call seconds
-- Own a call whose gateway has given no sign of life for so long; whose it was before is kept under `adopted`.
-- Returns the name of its log, or nothing when it has been taken care of, or when nobody is left who could mend its
-- log.
local no = broken(2)
if no then return no end
local last = redis.call('ZSCORE', KEYS[2], ARGV[2])
if not last or redis.call('TIME')[1] - last < tonumber(ARGV[3]) then return '' end
local life = server()
local there = is_whole(1, 3, 4) and redis.call('HGET', KEYS[1], 'log')
if not there then
  redis.call('ZREM', KEYS[2], ARGV[2])
  return ''
end
local before = redis.call('HGET', KEYS[1], 'owner')
if before and before ~= ARGV[1] then redis.call('HSETNX', KEYS[1], 'adopted', before) end
redis.call('HSET', KEYS[1], 'owner', ARGV[1], 'server', life)
alive(KEYS[2], ARGV[2])
return there
""",
)

WRITE_CHECKPOINT = script(
    "beat",
    ("hash", "zset", "stream", "hash"),
    OWNED,
    WHOLE,
    ALIVE,
    """
-- KEYS meta calls log settled   ARGV log owner call checkpoint
-- A sign of life of a call's gateway, and how far it has come.  Returns 0, -1 or -3.
local no = broken(2) or refusal(1, ARGV[1], ARGV[2])
if no then return no end
if #KEYS == 4 and not (is_whole(1, 3, 4) and has_turns(KEYS[1])) then return -1 end
redis.call('HSET', KEYS[1], 'checkpoint', ARGV[4])
alive(KEYS[2], ARGV[3])
return 0
""",
)

HEARTBEAT = script(
    "heartbeat",
    ("zset",),
    SEEN,
    ALIVE,
    """
-- KEYS calls meta...   ARGV (log owner call)...
-- A sign of life of several calls' gateway, without how far they have come.  Calls that have another log or owner,
-- or that this server does not know, are left alone.  Returns how many were the sender's.
local no = broken(1)
if no then return no end
local here, owned = server(), 0
for i = 2, #KEYS do
  local said = 3 * i - 5
  if redis.call('TYPE', KEYS[i]).ok == 'hash' then
    local there = redis.call('HMGET', KEYS[i], 'log', 'owner', 'server')
    if there[1] == ARGV[said] and there[2] == ARGV[said + 1] and there[3] == here then
      alive(KEYS[1], ARGV[said + 2])
      owned = owned + 1
    end
  end
end
return owned
""",
)

RESTORE = script(
    "restore",
    ("hash", "stream", "hash", "stream", "zset"),
    SEEN,
    WHOLE,
    APPENDING,
    RELEASING,
    ALIVE,
    """
-- KEYS meta log settled outbox calls   ARGV log owner call live checkpoint (name event)...
-- Tell a Redis that has lost the log of a call, or the end of it, what its owner knows, under the same seqs:
-- the n-th event, unless seq n is there.  Returns the last seq; -3 when the call has another log or owner, unless
-- that is what a server remembers from before.
local no = broken(4, 5)
if no then return no end
local life = server()
local there = is_sound(1) and redis.call('HMGET', KEYS[1], 'log', 'owner') or {}
local is_ours = there[1] == ARGV[1] and there[2] == ARGV[2]
if there[1] and is_seen(KEYS[1]) and not is_ours then return -3 end
if there[1] ~= ARGV[1] or not (is_whole(1, 2, 3) and has_turns(KEYS[1])) then
  redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])
  redis.call('HSET', KEYS[1], 'log', ARGV[1], 'seq', 0, 'checkpoint', ARGV[5])
end
redis.call('HSET', KEYS[1], 'owner', ARGV[2], 'server', life)
alive(KEYS[5], ARGV[3])
local channels = {}
for i = 6 + 2 * tonumber(redis.call('HGET', KEYS[1], 'seq')), #ARGV, 2 do
  redis.call('HSET', KEYS[3], ARGV[i], '')
  append(KEYS[1], KEYS[2], KEYS[4], ARGV[4], ARGV[3], ARGV[i + 1])
  local channel = string.match(ARGV[i], '^(%d+)-%d+$')
  if channel then
    redis.call('HINCRBY', KEYS[1], 'next:' .. channel, 1)
    channels[channel] = true
  end
end
for channel in pairs(channels) do
  release(KEYS[1], KEYS[2], KEYS[3], KEYS[4], ARGV[4], ARGV[3], channel)
end
return tonumber(redis.call('HGET', KEYS[1], 'seq'))
""",
)

APPEND = script(
    "append",
    ("hash", "stream", "hash", "stream"),
    OWNED,
    WHOLE,
    APPENDING,
    """
-- KEYS meta log settled outbox   ARGV log owner call live name event
-- Log an event of the gateway, once for each name.  Returns its seq, or 0 when it was there.
local no = broken(4) or refusal(1, ARGV[1], ARGV[2])
if no then return no end
if not is_whole(1, 2, 3) then return -1 end
if redis.call('HSETNX', KEYS[3], ARGV[5], '') == 0 then return 0 end
return append(KEYS[1], KEYS[2], KEYS[4], ARGV[4], ARGV[3], ARGV[6])
""",
)

APPEND_AUDIO = script(
    "hear",
    ("hash", "string", "hash", "stream"),
    OWNED,
    """
-- KEYS meta audio state partials   ARGV log owner offset audio ttl job
-- Put audio behind what is there; with a job, ask for a partial unless one is waiting.
-- Returns the bytes that are there now: less than offset means that the sender must go back.
local no = broken(4) or refusal(1, ARGV[1], ARGV[2])
if no then return no end
replace_broken(2, 3)
local there = redis.call('STRLEN', KEYS[2])
local offset = tonumber(ARGV[3])
if offset > there then return there end
if #ARGV[4] > 0 then
  there = redis.call('SETRANGE', KEYS[2], offset, ARGV[4])
  redis.call('EXPIRE', KEYS[2], ARGV[5])
end
if #ARGV[6] > 0 and redis.call('HSETNX', KEYS[3], 'waiting', 1) == 1 then
  redis.call('XADD', KEYS[4], 'MAXLEN', '~', 4096, '*', 'j', ARGV[6])
  redis.call('EXPIRE', KEYS[3], ARGV[5])
end
return there
""",
)

SUBMIT = script(
    "submit",
    ("hash", "hash", "hash", "stream", "string"),
    OWNED,
    """
-- KEYS meta settled state finals audio   ARGV log owner segment ttl job size
-- Queue a whole segment of so many bytes, unless it lies there.  Returns 1; 0 when it is queued or settled already;
-- -2 when its audio is not all there.
local no = broken(4) or refusal(1, ARGV[1], ARGV[2])
if no then return no end
if not is_sound(2) then return -1 end
if redis.call('HEXISTS', KEYS[2], ARGV[3]) == 1 then return 0 end
if not is_sound(5) or redis.call('STRLEN', KEYS[5]) < tonumber(ARGV[6]) then return -2 end
replace_broken(3)
redis.call('EXPIRE', KEYS[5], ARGV[4])
local entry = redis.call('HGET', KEYS[3], 'entry')
if entry and string.match(entry, '^%d+-%d+$') and redis.call('XRANGE', KEYS[4], entry, entry)[1] then return 0 end
entry = redis.call('XADD', KEYS[4], '*', 'j', ARGV[5])
redis.call('HSET', KEYS[3], 'queued', ARGV[5], 'entry', entry)
redis.call('EXPIRE', KEYS[3], ARGV[4])
return 1
""",
)

TRY = script(
    "try",
    ("hash",),
    COUNTING,
    """
-- KEYS state   ARGV ttl
-- An engine is given the segment.  Returns how often that was so, this time counted.
replace_broken(1)
local tried = count(KEYS[1], 'tried')
redis.call('EXPIRE', KEYS[1], ARGV[1])
return tried
""",
)

SUGGEST = script(
    "suggest",
    ("hash", "hash", "hash"),
    SAME_LOG,
    """
-- KEYS meta settled state   ARGV log segment revision hypothesis live event
-- Publish a partial unless its segment is settled or a later one is out.  Returns 1 or 0.
if not is_sound(1, 2) or not log_is(KEYS[1], ARGV[1]) then return -1 end
if redis.call('HEXISTS', KEYS[2], ARGV[2]) == 1 then return 0 end
replace_broken(3)
if (tonumber(redis.call('HGET', KEYS[3], 'published') or 0) or 0) >= tonumber(ARGV[3]) then return 0 end
redis.call('HSET', KEYS[3], 'published', ARGV[3], 'hypothesis', ARGV[4])
redis.pcall('PUBLISH', ARGV[5], '- ' .. ARGV[6])
return 1
""",
)

SETTLE = script(
    "settle",
    ("stream", "hash", "stream", "hash", "stream", "string", "hash", "stream"),
    SAME_LOG,
    SEEN,
    WHOLE,
    APPENDING,
    RELEASING,
    """
-- KEYS finals meta log settled outbox audio state dead
-- ARGV group entry consumer log call live channel number event reason
-- Record the terminal event of a segment once, in the order of its channel; end the job, release the audio.
-- An empty entry means that the call's owner (the consumer) settles what was never queued.  With a reason the
-- job is noted as dead.
-- Returns 'recorded', 'duplicate', 'stale' (another log) or 'lost' (the lease is another worker's); or 'unseen',
-- without having done anything, when the call's owner has to look at this server first.
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
if ARGV[2] ~= '' then
  redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
  redis.call('XDEL', KEYS[1], ARGV[2])
end
if not is_same then return 'stale' end
if ARGV[2] == '' and redis.call('HGET', KEYS[2], 'owner') ~= ARGV[3] then return 'lost' end
redis.call('DEL', KEYS[6], KEYS[7])
if not is_new then return 'duplicate' end
redis.call('HSET', KEYS[4], segment, ARGV[9])
if ARGV[10] ~= '' then
  redis.call('XADD', KEYS[8], 'MAXLEN', '~', 10000, '*', 'c', ARGV[5], 's', segment, 'r', ARGV[10])
end
release(KEYS[2], KEYS[3], KEYS[4], KEYS[5], ARGV[6], ARGV[5], ARGV[7])
return 'recorded'
""",
)

RETIRE = script(
    "retire",
    ("zset", "hash", "stream", "hash"),
    OWNED,
    """
-- KEYS calls meta log settled   ARGV log owner call ttl
-- A call has ended: its log can be read for a while, then it goes.
local no = broken(1) or refusal(2, ARGV[1], ARGV[2])
if no then return no end
redis.call('ZREM', KEYS[1], ARGV[3])
for i = 2, 4 do redis.call('EXPIRE', KEYS[i], ARGV[4]) end
return 1
""",
)

PROBE = script(
    "probe",
    ("stream",),
    SEEN,
    MEMORY,
    """
-- KEYS outbox   ARGV group
-- How the server of a partition is.  Returns its life, bytes in use, their limit (0: none), the oldest entry of the
-- outbox ('' for none), the last that was ever there, and how many there were since the outbox was made.  It is
-- made with its group where they are not there: a recorder that begins when the server is full could not do that.
local no = broken(1)
if no then return no end
local used, most = memory()
redis.pcall('XGROUP', 'CREATE', KEYS[1], ARGV[1], '0', 'MKSTREAM')
local facts = redis.call('XINFO', 'STREAM', KEYS[1])
local stream = {}
for i = 1, #facts, 2 do stream[facts[i]] = facts[i + 1] end
local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)
return {
  server(), used, most, first[1] and first[1][1] or '', stream['last-generated-id'], stream['entries-added']
}
""",
)

RESEND = script(
    "resend",
    ("stream",),
    """
-- KEYS outbox   ARGV call log event...
-- Put all events of a call into the outbox once more, the first under seq 1: somebody has emptied it.
local no = broken(1)
if no then return no end
for i = 3, #ARGV do
  redis.call('XADD', KEYS[1], '*', 'c', ARGV[1], 'l', ARGV[2], 's', i - 2, 'e', ARGV[i])
end
return #ARGV - 2
""",
)
