"""
Lua that several scripts share, and how a script is put together.

A script that fails in the middle leaves its first writes behind: Redis takes nothing back.  So each script looks
at all that may be wrong before it writes: the type of every key that it is given, the numbers that it will count
up, and whether the log is whole.  Keys of two kinds are treated differently.  What lies in the keys of one call can
be told again by the call's owner: a broken one is answered like a lost log, or replaced where it is only a copy.
What lies in the keys of a partition belongs to many calls: there the script refuses, with an error that names it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

_KINDS = """
local function is_sound(...)
  for _, i in ipairs({...}) do
    local found = redis.call('TYPE', KEYS[i]).ok
    if found ~= 'none' and found ~= KINDS[i] then return false end
  end
  return true
end

local function broken(...)
  for _, i in ipairs({...}) do
    if not is_sound(i) then
      return redis.error_reply('WRONGTYPE ' .. KEYS[i] .. ' is no ' .. KINDS[i] .. ': delete this key')
    end
  end
end

local function replace_broken(...)
  for _, i in ipairs({...}) do
    if not is_sound(i) then redis.call('DEL', KEYS[i]) end
  end
end
"""
"""
By the places of keys in KEYS.  `is_sound`: all are absent or of the right type.  `broken`: the error to return for
the first that is not.  `replace_broken`: delete those that are not.
"""

SAME_LOG = """
local function log_is(meta, log)
  return redis.call('HGET', meta, 'log') == log
end
"""

SEEN = """
local function server()
  return string.match(redis.call('INFO', 'server'), 'run_id:(%x+)') or ''
end

local function is_seen(meta)
  return redis.call('HGET', meta, 'server') == server()
end
"""
"""
Whether the call's owner has seen its log on this server, in this life of it.  Where a provider hides `run_id`,
always so.
"""

WHOLE = """
local function is_count(text)
  return not text or #text < 16 and string.match(text, '^%d+$')
end

local function is_whole(m, l, s)
  if not is_sound(m, l, s) then return false end
  local seq = redis.call('HGET', KEYS[m], 'seq')
  if not seq or not is_count(seq) then return false end
  local last = redis.call('XREVRANGE', KEYS[l], '+', '-', 'COUNT', 1)
  return (last[1] and last[1][1] or '0-0') == seq .. '-0'
end

local function has_turns(meta)
  for _, field in ipairs(redis.call('HKEYS', meta)) do
    if string.match(field, '^next:') and not is_count(redis.call('HGET', meta, field)) then return false end
  end
  return true
end
"""
"""
`is_whole`: meta, log and settled, by their places in KEYS, are what they should be, and the last entry of the log
is the last that was given a seq.  `has_turns`: whose turn it is can be read for every channel.
"""

OWNED = (
    SEEN
    + """
local function refusal(m, log, owner)
  if not is_sound(m) then return -1 end
  local there = redis.call('HMGET', KEYS[m], 'log', 'owner')
  if there[1] ~= log or not is_seen(KEYS[m]) then return -1 end
  if there[2] ~= owner then return -3 end
end
"""
)
"""Where the log has not been seen, nobody knows whose the call was either.  `m`: place of meta in KEYS."""

ALIVE = """
local function alive(calls, call)
  redis.call('ZADD', calls, redis.call('TIME')[1], call)
end
"""
"""By Redis' own clock: those of gateways differ."""

APPENDING = """
local function append(meta, log, outbox, live, call, event)
  local seq = redis.call('HINCRBY', meta, 'seq', 1)
  redis.call('XADD', log, seq .. '-0', 'e', event)
  redis.call('XADD', outbox, '*', 'c', call, 'l', redis.call('HGET', meta, 'log'), 's', seq, 'e', event)
  redis.pcall('PUBLISH', live, seq .. ' ' .. event)
  return seq
end
"""
"""
Gives the next seq; the log, the outbox and whoever listens now get the event under it.  A publication that is
refused ends nothing: readers find the event in the log.
"""

RELEASING = """
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
"""Terminal events of a channel whose turn has come."""

COUNTING = """
local function count(hash, field)
  local there = redis.call('HGET', hash, field)
  if there and not string.match(there, '^%d+$') then redis.call('HDEL', hash, field) end
  return redis.call('HINCRBY', hash, field, 1)
end
"""
"""Counts up; what was there and is no number counts as nothing."""

MEMORY = """
local function memory()
  local facts = redis.call('INFO', 'memory')
  local function fact(name) return tonumber(string.match(facts, '[\\r\\n]' .. name .. ':(%d+)') or 0) end
  return math.max(0, fact('used_memory') - fact('mem_not_counted_for_evict')), fact('maxmemory')
end
"""
"""Bytes that count towards the limit, and the limit; 0 where there is none or it is hidden."""


@dataclass(frozen=True, slots=True)
class Script:
    """Lua to be registered once in each process."""

    name: str
    source: str
    kinds: tuple[str, ...] = ()
    """The types that its keys must have, in the order of KEYS."""


def script(name: str, kinds: Sequence[str], *parts: str) -> Script:
    """A script whose keys have `kinds`, of `parts` of Lua, the last of which is what it does."""
    listed = ", ".join(f"'{kind}'" for kind in kinds)
    # allow-oom: what was accepted goes through; new calls are refused by OPEN, long before.
    head = f"#!lua flags=allow-oom\nlocal KINDS = {{{listed}}}\n"
    return Script(name, "".join((head, _KINDS, *parts)), tuple(kinds))
