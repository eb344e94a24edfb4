"""
What happens in Redis in one step.

Each script is sent the full list of its keys, all of one partition (see keys.py), and may be sent twice with
the same arguments: the second time changes nothing.  They run on Redis 7.0 and Valkey 7.2 or newer.

Every script that touches a call is told which log its sender means, and a gateway's also which owner of the
call it is.  `NOT_OWNER` says that a newer connection, or another gateway, has taken the call.  `LOG_LOST` says
that its log is another one or none (Redis came back empty, or the call is a new one), or that nobody knows how
much of it is there: a server that was started again from its file, or a replica that took over, may lack the newest
events.  Nothing is logged on such a server before the owner of the call has told it what it lacks.
"""

from dataclasses import dataclass

LOG_LOST = -1
"""Answer of every script when the log that the sender means is not there, or not known to be whole."""

AUDIO_MISSING = -2
"""Answer of `SUBMIT` when the audio of the segment is not all there."""

NOT_OWNER = -3
"""Answer of a gateway's script when the call has another owner by now."""

_HEAD = """#!lua flags=allow-oom
"""

_SAME_LOG = """
local function log_is(meta, log)
  return redis.call('HGET', meta, 'log') == log
end
"""

# Whether the call's owner has seen its log on this server, in this life of it.  Where a provider hides `run_id`,
# always so.
_SEEN = """
local function server()
  return string.match(redis.call('INFO', 'server'), 'run_id:(%x+)') or ''
end

local function is_seen(meta)
  return redis.call('HGET', meta, 'server') == server()
end
"""

# Where the log has not been seen, nobody knows whose the call was in the end either.
_OWNED = (
    _SEEN
    + """
local function refusal(meta, log, owner)
  local there = redis.call('HMGET', meta, 'log', 'owner')
  if there[1] ~= log or not is_seen(meta) then return -1 end
  if there[2] ~= owner then return -3 end
end
"""
)

# Redis' own clock: those of gateways differ.
_ALIVE = """
local function alive(calls, call)
  redis.call('ZADD', calls, redis.call('TIME')[1], call)
end
"""

# Gives the next seq; the log, the outbox and whoever listens now get the event under it.
_APPEND = """
local function append(meta, log, outbox, live, call, event)
  local seq = redis.call('HINCRBY', meta, 'seq', 1)
  redis.call('XADD', log, seq .. '-0', 'e', event)
  redis.call('XADD', outbox, '*', 'c', call, 'l', redis.call('HGET', meta, 'log'), 's', seq, 'e', event)
  redis.call('PUBLISH', live, seq .. ' ' .. event)
  return seq
end
"""

# Terminal events of a channel whose turn has come.
_RELEASE = """
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
"""


@dataclass(frozen=True, slots=True)
class Script:
    """Lua to be registered once in each process."""

    name: str
    source: str


OPEN = Script(
    "open",
    _HEAD
    + _SEEN
    + _ALIVE
    + """
-- KEYS meta log settled calls   ARGV log owner call checkpoint back
-- Own a call from now on.  One that is in progress keeps its log; else a new log begins under the name given.
-- With `back` only if nobody but an adopter has owned it since the owner: then nothing is returned.
-- Returns the name of the call's log.
local there = redis.call('HGET', KEYS[1], 'log')
if there and ARGV[5] == 'back' then
  local whose = redis.call('HMGET', KEYS[1], 'owner', 'adopted')
  if whose[1] ~= ARGV[2] and whose[2] ~= ARGV[2] then return '' end
end
if there and redis.call('HEXISTS', KEYS[3], 'ended') == 0 then
  redis.call('HSET', KEYS[1], 'owner', ARGV[2], 'server', server())
  redis.call('HDEL', KEYS[1], 'adopted')
  alive(KEYS[4], ARGV[3])
  return there
end
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])
redis.call(
  'HSET', KEYS[1], 'log', ARGV[1], 'owner', ARGV[2], 'seq', 0, 'checkpoint', ARGV[4], 'server', server()
)
alive(KEYS[4], ARGV[3])
return ARGV[1]
""",
)

ADOPT = Script(
    "adopt",
    _HEAD
    + _SEEN
    + _ALIVE
    + """
-- KEYS meta calls   ARGV owner call seconds
-- Own a call whose gateway has given no sign of life for so long; whose it was before is kept under `adopted`.
-- Returns the name of its log, or nothing when it has been taken care of.
local last = redis.call('ZSCORE', KEYS[2], ARGV[2])
if not last or redis.call('TIME')[1] - last < tonumber(ARGV[3]) then return '' end
local there = redis.call('HGET', KEYS[1], 'log')
if not there then
  redis.call('ZREM', KEYS[2], ARGV[2])
  return ''
end
local before = redis.call('HGET', KEYS[1], 'owner')
if before and before ~= ARGV[1] then redis.call('HSETNX', KEYS[1], 'adopted', before) end
redis.call('HSET', KEYS[1], 'owner', ARGV[1], 'server', server())
alive(KEYS[2], ARGV[2])
return there
""",
)

BEAT = Script(
    "beat",
    _HEAD
    + _OWNED
    + _ALIVE
    + """
-- KEYS meta calls   ARGV log owner call checkpoint
-- A sign of life of a call's gateway, and how far it has come.  Returns 0, -1 or -3.
local no = refusal(KEYS[1], ARGV[1], ARGV[2])
if no then return no end
redis.call('HSET', KEYS[1], 'checkpoint', ARGV[4])
alive(KEYS[2], ARGV[3])
return 0
""",
)

HEARTBEAT = Script(
    "heartbeat",
    _HEAD
    + _SEEN
    + _ALIVE
    + """
-- KEYS calls meta...   ARGV (log owner call)...
-- A sign of life of several calls' gateway, without how far they have come.  Calls that have another log or owner,
-- or that this server does not know, are left alone.  Returns how many were the sender's.
local here, owned = server(), 0
for i = 2, #KEYS do
  local said = 3 * i - 5
  local there = redis.call('HMGET', KEYS[i], 'log', 'owner', 'server')
  if there[1] == ARGV[said] and there[2] == ARGV[said + 1] and there[3] == here then
    alive(KEYS[1], ARGV[said + 2])
    owned = owned + 1
  end
end
return owned
""",
)

RESTORE = Script(
    "restore",
    _HEAD
    + _SEEN
    + _APPEND
    + _RELEASE
    + _ALIVE
    + """
-- KEYS meta log settled outbox calls   ARGV log owner call live checkpoint (name event)...
-- Tell a Redis that has lost the log of a call, or the end of it, what its owner knows, under the same seqs:
-- the n-th event, unless seq n is there.  Returns the last seq; -3 when the call has another log or owner, unless
-- that is what a server remembers from before.
local there = redis.call('HMGET', KEYS[1], 'log', 'owner')
local is_ours = there[1] == ARGV[1] and there[2] == ARGV[2]
if there[1] and is_seen(KEYS[1]) and not is_ours then return -3 end
if there[1] ~= ARGV[1] then
  redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])
  redis.call('HSET', KEYS[1], 'log', ARGV[1], 'seq', 0, 'checkpoint', ARGV[5])
end
redis.call('HSET', KEYS[1], 'owner', ARGV[2], 'server', server())
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

APPEND = Script(
    "append",
    _HEAD
    + _OWNED
    + _APPEND
    + """
-- KEYS meta log settled outbox   ARGV log owner call live name event
-- Log an event of the gateway, once for each name.  Returns its seq, or 0 when it was there.
local no = refusal(KEYS[1], ARGV[1], ARGV[2])
if no then return no end
if redis.call('HSETNX', KEYS[3], ARGV[5], '') == 0 then return 0 end
return append(KEYS[1], KEYS[2], KEYS[4], ARGV[4], ARGV[3], ARGV[6])
""",
)

HEAR = Script(
    "hear",
    _HEAD
    + _OWNED
    + """
-- KEYS meta audio state partials   ARGV log owner offset audio ttl job
-- Put audio behind what is there; with a job, ask for a partial unless one is waiting.
-- Returns the bytes that are there now: less than offset means that the sender must go back.
local no = refusal(KEYS[1], ARGV[1], ARGV[2])
if no then return no end
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

SUBMIT = Script(
    "submit",
    _HEAD
    + _OWNED
    + """
-- KEYS meta settled state finals audio   ARGV log owner segment ttl job size
-- Queue a whole segment of so many bytes, once.  Returns 1; 0 when it is queued or settled already; -2 when
-- its audio is not all there.
local no = refusal(KEYS[1], ARGV[1], ARGV[2])
if no then return no end
if redis.call('HEXISTS', KEYS[2], ARGV[3]) == 1 then return 0 end
if redis.call('STRLEN', KEYS[5]) < tonumber(ARGV[6]) then return -2 end
if redis.call('HSETNX', KEYS[3], 'queued', ARGV[5]) == 0 then return 0 end
redis.call('EXPIRE', KEYS[3], ARGV[4])
redis.call('XADD', KEYS[4], '*', 'j', ARGV[5])
return 1
""",
)

TRY = Script(
    "try",
    _HEAD
    + """
-- KEYS state   ARGV ttl
-- An engine is given the segment.  Returns how often that was so, this time counted.
local tried = redis.call('HINCRBY', KEYS[1], 'tried', 1)
redis.call('EXPIRE', KEYS[1], ARGV[1])
return tried
""",
)

SUGGEST = Script(
    "suggest",
    _HEAD
    + _SAME_LOG
    + """
-- KEYS meta settled state   ARGV log segment revision hypothesis live event
-- Publish a partial unless its segment is settled or a later one is out.  Returns 1 or 0.
if not log_is(KEYS[1], ARGV[1]) then return -1 end
if redis.call('HEXISTS', KEYS[2], ARGV[2]) == 1 then return 0 end
if tonumber(redis.call('HGET', KEYS[3], 'published') or 0) >= tonumber(ARGV[3]) then return 0 end
redis.call('HSET', KEYS[3], 'published', ARGV[3], 'hypothesis', ARGV[4])
redis.call('PUBLISH', ARGV[5], '- ' .. ARGV[6])
return 1
""",
)

SETTLE = Script(
    "settle",
    _HEAD
    + _SAME_LOG
    + _SEEN
    + _APPEND
    + _RELEASE
    + """
-- KEYS finals meta log settled outbox audio state dead
-- ARGV group entry consumer log call live channel number event reason
-- Record the terminal event of a segment once, in the order of its channel; end the job, release the audio.
-- An empty entry means that the call's owner (the consumer) settles what was never queued.  With a reason the
-- job is noted as dead.
-- Returns 'recorded', 'duplicate', 'stale' (another log) or 'lost' (the lease is another worker's); or 'unseen',
-- without having done anything, when the call's owner has to look at this server first.
local segment = ARGV[7] .. '-' .. ARGV[8]
local is_same = log_is(KEYS[2], ARGV[4])
local is_new = is_same and redis.call('HEXISTS', KEYS[4], segment) == 0
if ARGV[2] ~= '' then
  local lease = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[2], ARGV[2], 1)
  if #lease == 0 or lease[1][2] ~= ARGV[3] then return 'lost' end
end
if is_new and not is_seen(KEYS[2]) then return 'unseen' end
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

RETIRE = Script(
    "retire",
    _HEAD
    + _OWNED
    + """
-- KEYS calls meta log settled   ARGV log owner call ttl
-- A call has ended: its log can be read for a while, then it goes.
local no = refusal(KEYS[2], ARGV[1], ARGV[2])
if no then return no end
redis.call('ZREM', KEYS[1], ARGV[3])
for i = 2, 4 do redis.call('EXPIRE', KEYS[i], ARGV[4]) end
return 1
""",
)
