"""
What happens in Redis in one step.

Each script is sent the full list of its keys, all of one partition (see keys.py), and may be sent twice with
the same arguments: the second time changes nothing.  They run on Redis 7.0 and Valkey 7.2 or newer.

Every script that touches a call is told which log its sender means.  `LOG_LOST` says that the call's log is
another one or none: Redis came back empty, or a newer gateway has taken the call.
"""

from dataclasses import dataclass

LOG_LOST = -1
"""Answer of every script when the log that the sender means is not there."""

AUDIO_MISSING = -2
"""Answer of `SUBMIT` when the audio of the segment is not all there."""

_HEAD = """#!lua flags=allow-oom
"""

_SAME_LOG = """
local function log_is(meta, log)
  return redis.call('HGET', meta, 'log') == log
end
"""

# Gives the next seq; the log, the outbox and whoever listens now get the event under it.
_APPEND = """
local function append(meta, log, outbox, live, call, event)
  local seq = redis.call('HINCRBY', meta, 'seq', 1)
  redis.call('XADD', log, seq .. '-0', 'e', event)
  redis.call('XADD', outbox, '*', 'c', call, 's', seq, 'e', event)
  redis.call('PUBLISH', live, seq .. ' ' .. event)
  return seq
end
"""


@dataclass(frozen=True, slots=True)
class Script:
    """Lua to be registered once in each process."""

    name: str
    source: str


RESTORE = Script(
    "restore",
    _HEAD
    + _SAME_LOG
    + _APPEND
    + """
-- KEYS meta log settled outbox   ARGV log call live take (name event)...
-- Begin the log of a call, or begin it again in a Redis that has lost it, with all that its owner knows,
-- under the same seqs.  A log of that name is left as it is.  One of another name, which means that the call
-- has another owner, is replaced when take is 1.  Returns the last seq, or -1 when there is another owner.
local there = redis.call('HGET', KEYS[1], 'log')
if there == ARGV[1] then return tonumber(redis.call('HGET', KEYS[1], 'seq')) end
if there and ARGV[4] ~= '1' then return -1 end
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])
redis.call('HSET', KEYS[1], 'log', ARGV[1], 'seq', 0)
for i = 5, #ARGV, 2 do
  redis.call('HSET', KEYS[3], ARGV[i], '')
  append(KEYS[1], KEYS[2], KEYS[4], ARGV[3], ARGV[2], ARGV[i + 1])
  local channel = string.match(ARGV[i], '^(%d+)-%d+$')
  if channel then redis.call('HINCRBY', KEYS[1], 'next:' .. channel, 1) end
end
return tonumber(redis.call('HGET', KEYS[1], 'seq'))
""",
)

APPEND = Script(
    "append",
    _HEAD
    + _SAME_LOG
    + _APPEND
    + """
-- KEYS meta log settled outbox   ARGV log call live name event
-- Log an event of the gateway, once for each name.  Returns its seq, or 0 when it was there.
if not log_is(KEYS[1], ARGV[1]) then return -1 end
if redis.call('HSETNX', KEYS[3], ARGV[4], '') == 0 then return 0 end
return append(KEYS[1], KEYS[2], KEYS[4], ARGV[3], ARGV[2], ARGV[5])
""",
)

HEAR = Script(
    "hear",
    _HEAD
    + _SAME_LOG
    + """
-- KEYS meta audio state partials   ARGV log offset audio ttl job
-- Put audio behind what is there; with a job, ask for a partial unless one is waiting.
-- Returns the bytes that are there now: less than offset means that the sender must go back.
if not log_is(KEYS[1], ARGV[1]) then return -1 end
local there = redis.call('STRLEN', KEYS[2])
local offset = tonumber(ARGV[2])
if offset > there then return there end
if #ARGV[3] > 0 then
  there = redis.call('SETRANGE', KEYS[2], offset, ARGV[3])
  redis.call('EXPIRE', KEYS[2], ARGV[4])
end
if #ARGV[5] > 0 and redis.call('HSETNX', KEYS[3], 'waiting', 1) == 1 then
  redis.call('XADD', KEYS[4], 'MAXLEN', '~', 4096, '*', 'j', ARGV[5])
  redis.call('EXPIRE', KEYS[3], ARGV[4])
end
return there
""",
)

SUBMIT = Script(
    "submit",
    _HEAD
    + _SAME_LOG
    + """
-- KEYS meta settled state finals audio   ARGV log segment ttl job size
-- Queue a whole segment of so many bytes, once.  Returns 1; 0 when it is queued or settled already; -2 when
-- its audio is not all there.
if not log_is(KEYS[1], ARGV[1]) then return -1 end
if redis.call('HEXISTS', KEYS[2], ARGV[2]) == 1 then return 0 end
if redis.call('STRLEN', KEYS[5]) < tonumber(ARGV[5]) then return -2 end
if redis.call('HSETNX', KEYS[3], 'queued', 1) == 0 then return 0 end
redis.call('EXPIRE', KEYS[3], ARGV[3])
redis.call('XADD', KEYS[4], '*', 'j', ARGV[4])
return 1
""",
)

LOOK = Script(
    "look",
    _HEAD
    + """
-- KEYS partials state   ARGV group entry ttl
-- Take a partial off its lane.  Returns the revision it will have, and the hypothesis before it.
redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
redis.call('XDEL', KEYS[1], ARGV[2])
redis.call('HDEL', KEYS[2], 'waiting')
local revision = redis.call('HINCRBY', KEYS[2], 'revision', 1)
redis.call('EXPIRE', KEYS[2], ARGV[3])
return {revision, redis.call('HGET', KEYS[2], 'hypothesis') or ''}
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
    + _APPEND
    + """
-- KEYS finals meta log settled outbox audio state dead
-- ARGV group entry consumer log call live channel number event reason
-- Record the terminal event of a segment once, in the order of its channel; end the job, release the audio.
-- An empty entry means that the gateway settles what was never queued.  With a reason the job is noted as dead.
-- Returns 'recorded', 'duplicate', 'stale' (another log) or 'lost' (the lease is another worker's).
local segment = ARGV[7] .. '-' .. ARGV[8]
if ARGV[2] ~= '' then
  local lease = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[2], ARGV[2], 1)
  if #lease == 0 or lease[1][2] ~= ARGV[3] then return 'lost' end
  redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
  redis.call('XDEL', KEYS[1], ARGV[2])
end
if not log_is(KEYS[2], ARGV[4]) then return 'stale' end
redis.call('DEL', KEYS[6], KEYS[7])
if redis.call('HSETNX', KEYS[4], segment, ARGV[9]) == 0 then return 'duplicate' end
if ARGV[10] ~= '' then
  redis.call('XADD', KEYS[8], 'MAXLEN', '~', 10000, '*', 'c', ARGV[5], 's', segment, 'r', ARGV[10])
end
local turn = 'next:' .. ARGV[7]
local number = tonumber(redis.call('HGET', KEYS[2], turn) or 0)
while true do
  local field = ARGV[7] .. '-' .. number
  local event = redis.call('HGET', KEYS[4], field)
  if not event or event == '' then break end
  append(KEYS[2], KEYS[3], KEYS[5], ARGV[6], ARGV[5], event)
  redis.call('HSET', KEYS[4], field, '')
  number = number + 1
end
redis.call('HSET', KEYS[2], turn, number)
return 'recorded'
""",
)

EXTEND = Script(
    "extend",
    _HEAD
    + """
-- KEYS finals   ARGV group consumer entry...
-- Start the leases of these entries anew.  Returns the entries that are no longer the consumer's.
local lost = {}
for i = 3, #ARGV do
  local lease = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1)
  if #lease == 1 and lease[1][2] == ARGV[2] then
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[i], 'JUSTID')
  else
    lost[#lost + 1] = ARGV[i]
  end
end
return lost
""",
)

RETIRE = Script(
    "retire",
    _HEAD
    + _SAME_LOG
    + """
-- KEYS calls meta log settled   ARGV log call ttl
-- A call has ended: its log can be read for a while, then it goes.
if not log_is(KEYS[2], ARGV[1]) then return -1 end
redis.call('ZREM', KEYS[1], ARGV[2])
for i = 2, 4 do redis.call('EXPIRE', KEYS[i], ARGV[3]) end
return 1
""",
)
