"""
Leases: scripts that run on one lane, like those in scripts.py.

A job is its consumer's as long as the lease is extended in time; then anybody may take it over.
"""

from .lua import COUNTING, script

HANDED_BACK_MS = 24 * 3_600_000
"""Idle time of what was handed back: longer than any lease, so nobody has to wait for one to run out."""

POLL = script(
    "look",
    ("stream", "hash"),
    COUNTING,
    """
-- KEYS partials state   ARGV group entry ttl
-- Take a partial off its lane.  Returns the revision it will have, and the hypothesis before it.
local no = broken(1)
if no then return no end
replace_broken(2)
redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
redis.call('XDEL', KEYS[1], ARGV[2])
redis.call('HDEL', KEYS[2], 'waiting')
local revision = count(KEYS[2], 'revision')
redis.call('EXPIRE', KEYS[2], ARGV[3])
return {revision, redis.call('HGET', KEYS[2], 'hypothesis') or ''}
""",
)

EXTEND = script(
    "extend",
    ("stream",),
    """
-- KEYS finals   ARGV group consumer entry...
-- Start the leases of these entries anew.  Returns the entries that are no longer the consumer's.
local no = broken(1)
if no then return no end
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

TAKE_OVER = script(
    "take_over",
    ("stream",),
    """
-- KEYS lane   ARGV group consumer (idle count)...
-- Take over jobs, the oldest first: for each pair, of those idle for so many milliseconds at most so many.
-- Returns entry, deliveries (this one counted) and fields of each.
local no = broken(1)
if no then return no end
local taken = {}
for i = 3, #ARGV, 2 do
  for _, lease in ipairs(redis.call('XPENDING', KEYS[1], ARGV[1], 'IDLE', ARGV[i], '-', '+', ARGV[i + 1])) do
    local claimed = redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], ARGV[i], lease[1])
    if #claimed == 1 then taken[#taken + 1] = {lease[1], lease[4] + 1, claimed[1][2]} end
  end
end
return taken
""",
)

REGISTER_STREAMS = script(
    "add_lanes",
    ("set",),
    """
-- KEYS lanes   ARGV lane...
-- Let workers know of lanes, before jobs are queued there.
local no = broken(1)
if no then return no end
redis.call('SADD', KEYS[1], unpack(ARGV))
return redis.status_reply('OK')
""",
)

PASS_ON = script(
    "pass_on",
    ("stream", "stream"),
    """
-- KEYS from to   ARGV group consumer entry
-- Move a job to the lane of those who can do it, as it is.  Returns 1, or 0 when it is not the consumer's.
local no = broken(1, 2)
if no then return no end
local lease = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[3], ARGV[3], 1)
local found = redis.call('XRANGE', KEYS[1], ARGV[3], ARGV[3])
if #lease == 0 or lease[1][2] ~= ARGV[2] or #found == 0 then return 0 end
redis.call('XADD', KEYS[2], '*', unpack(found[1][2]))
redis.call('XACK', KEYS[1], ARGV[1], ARGV[3])
redis.call('XDEL', KEYS[1], ARGV[3])
return 1
""",
)

HAND_BACK = script(
    "hand_back",
    ("stream",),
    """
-- KEYS lane   ARGV group consumer idle tried entry...
-- End the leases of these entries at once.  Unless they were tried, their delivery does not count.
local no = broken(1)
if no then return no end
for i = 5, #ARGV do
  local lease = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1)
  if #lease == 1 and lease[1][2] == ARGV[2] and lease[1][3] < tonumber(ARGV[3]) then
    local deliveries = math.max(0, lease[1][4] - (ARGV[4] == '1' and 0 or 1))
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[i], 'IDLE', ARGV[3], 'RETRYCOUNT', deliveries, 'JUSTID')
  end
end
return redis.status_reply('OK')
""",
)

JOIN = script(
    "join",
    ("stream",),
    """
-- KEYS lane   ARGV group
-- Make a group that reads from the beginning, where it is not there; a full server does not keep anybody from that.
local no = broken(1)
if no then return no end
local made = redis.pcall('XGROUP', 'CREATE', KEYS[1], ARGV[1], '0', 'MKSTREAM')
if made.err and not string.match(made.err, 'BUSYGROUP') then return made end
return redis.status_reply('OK')
""",
)
