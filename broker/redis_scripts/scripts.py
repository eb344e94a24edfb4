"""
Redis scripts of the gateway, the worker and the recorder; each one is a single atomic step.

The Lua source is in `lua/<name>.lua`, with the meaning of KEYS and ARGV in its first lines. Each script gets
the full list of its keys, all of one partition (see redis_keys.py). Each script is idempotent: it may be sent twice
with the same arguments. The scripts run on Redis 7.0, Valkey 7.2 and newer.

Every script that changes a call gets the name of the log that its sender means. A script of a gateway also gets the
owner of the call.

* `NOT_OWNER`: a newer connection or another gateway owns the call.
* `LOG_LOST`: the call has another log or none (Redis came back empty, or the call is new), or the server may lack
  the newest events (it was restarted from its file, or it is a replica that took over). Such a server logs no event
  before the owner of the call has restored what is missing. A log whose keys were changed from outside counts as
  lost too.

No script writes before it has checked everything that may be wrong: see lua.py.
"""

from .lua import (
    ALIVE,
    APPENDING,
    MEMORY,
    OWNED,
    RELEASING,
    SAME_LOG,
    SEEN,
    WHOLE,
    Script,
    load,
    script,
)

__all__ = [
    "ADOPT",
    "APPEND",
    "APPEND_AUDIO",
    "AUDIO_MISSING",
    "HEARTBEAT",
    "KEEP_DRAFT",
    "LOG_LOST",
    "NOT_OWNER",
    "NO_ROOM",
    "OPEN",
    "PROBE",
    "RESEND",
    "RESTORE",
    "RETIRE",
    "REVISE",
    "SETTLE",
    "SUBMIT",
    "SUGGEST",
    "TAKE_BACK_TRY",
    "TRY",
    "WRITE_CHECKPOINT",
    "Script",
]

LOG_LOST = -1
"""Answer of every script if the log that the sender means is missing, or not known to be complete."""

AUDIO_MISSING = -2
"""Answer of `SUBMIT` if the audio of the segment is incomplete."""

DRAFT_USED = 2
"""Answer of `SUBMIT` if the draft of the segment has become its final."""

NOT_OWNER = -3
"""Answer of a script of the gateway if the call has another owner."""

NO_ROOM = -4
"""Answer of `OPEN` to a new call if more than the given share of the memory of Redis is in use."""

OPEN = script(
    "open",
    ("hash", "stream", "hash", "zset"),
    SEEN,
    WHOLE,
    ALIVE,
    MEMORY,
    load("open"),
)

ADOPT = script(
    "adopt",
    ("hash", "zset", "stream", "hash"),
    SEEN,
    WHOLE,
    ALIVE,
    load("adopt"),
)

WRITE_CHECKPOINT = script(
    "write_checkpoint",
    ("hash", "zset", "stream", "hash"),
    OWNED,
    WHOLE,
    ALIVE,
    load("write_checkpoint"),
)

HEARTBEAT = script(
    "heartbeat",
    ("zset",),
    SEEN,
    load("heartbeat"),
)

RESTORE = script(
    "restore",
    ("hash", "stream", "hash", "stream", "zset"),
    SEEN,
    WHOLE,
    APPENDING,
    RELEASING,
    ALIVE,
    load("restore"),
)

APPEND = script(
    "append",
    ("hash", "stream", "hash", "stream"),
    OWNED,
    WHOLE,
    APPENDING,
    load("append"),
)

APPEND_AUDIO = script(
    "hear",
    ("hash", "string", "stream"),
    OWNED,
    load("append_audio"),
)

SUBMIT = script(
    "submit",
    ("hash", "hash", "hash", "stream", "string", "stream", "stream"),
    SEEN,
    WHOLE,
    APPENDING,
    RELEASING,
    load("submit"),
)

KEEP_DRAFT = script(
    "keep_draft",
    ("hash", "hash", "hash"),
    load("keep_draft"),
)

TRY = script(
    "try",
    ("hash",),
    WHOLE,
    load("try"),
)

TAKE_BACK_TRY = script(
    "take_back_try",
    ("hash",),
    load("take_back_try"),
)

SUGGEST = script(
    "suggest",
    ("hash",),
    load("suggest"),
)

SETTLE = script(
    "settle",
    ("stream", "hash", "stream", "hash", "stream", "string", "hash", "stream"),
    SEEN,
    WHOLE,
    APPENDING,
    RELEASING,
    load("settle"),
)

REVISE = script(
    "revise",
    ("hash", "stream", "hash", "stream"),
    SAME_LOG,
    SEEN,
    WHOLE,
    APPENDING,
    load("revise"),
)

RETIRE = script(
    "retire",
    ("zset", "hash", "stream", "hash"),
    OWNED,
    load("retire"),
)

PROBE = script(
    "probe",
    ("stream",),
    SEEN,
    MEMORY,
    load("probe"),
)

RESEND = script(
    "resend",
    ("stream",),
    load("resend"),
)
