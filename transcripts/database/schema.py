"""
The tables.  Lists that no query searches are in JSON columns.

Positions and durations are samples of the call clock.  A change of a table needs a migration (see `upgrade.py`).
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    false,
)

from protocol.events import Account

from ..transcript import LONGEST_METADATA

LONGEST_CALL_ID = 1_024
"""Most characters of a stored id: tenant, an id of 255 bytes that are all escaped, and a stream number."""

BIG = BigInteger().with_variant(Integer, "sqlite")
"""64 bits; SQLite generates keys only for a column of the type INTEGER."""

metadata = MetaData()

calls = Table(
    "calls",
    metadata,
    Column("id", BIG, primary_key=True),
    Column("call_id", String(LONGEST_CALL_ID), nullable=False, unique=True),
    Column("root", String(LONGEST_CALL_ID), nullable=False, index=True),
    Column("tenant", String(64), nullable=False),
    Column("log", String(64), nullable=False, default=""),
    Column("roles", JSON, nullable=False),
    Column("language", String(8), nullable=False),
    Column("dialect", String(32), nullable=False),
    Column("started_at", Float, nullable=False),
    Column("ended_reason", Text, nullable=False, default=""),
    Column("duration", BigInteger, nullable=False, default=0),
    Column("channels", JSON, nullable=False, default=list),
    Column("started_seq", BigInteger),
    Column("ended_seq", BigInteger),
    Column("agent", Text, nullable=False, default=""),
    Column("notes", Text, nullable=False, default=""),
    Column("legal_hold", Boolean, nullable=False, default=False),
    Column("sample_rate", Integer, nullable=False, server_default="0"),
    Column("encoding", String(16), nullable=False, server_default=""),
    Column("whole_duration", BigInteger, nullable=False, server_default="0"),
    Column("whole_ended_reason", Text, nullable=False, server_default=""),
    Index("calls_by_tenant", "tenant", "id"),
    Index("calls_by_time", "tenant", "started_at", "id"),
    Index("calls_by_whole_duration", "tenant", "whole_duration", "id"),
    Index("calls_by_age", "started_at"),
)
"""
One row for each stream.  `root`: id of the first stream of the call, which has the id of the call itself.

`whole_duration`, `whole_ended_reason`: those of the whole call; see `whole_calls.py`.

`started_at` is the time at which the row was made until `call.started` is stored; `dialect` is empty until then.
"""


def _of_a_call() -> Column[int]:
    return Column("call", BIG, ForeignKey("calls.id", ondelete="CASCADE"), primary_key=True)


def _tenant_of_a_call() -> Column[str]:
    """The tenant of the call, so that a list by this table does not depend on the calls of other tenants."""
    return Column("tenant", String(64), nullable=False, server_default="")


segments = Table(
    "segments",
    metadata,
    Column("id", BIG, primary_key=True, autoincrement=False),
    Column("channel", Integer, nullable=False),
    Column("number", Integer, nullable=False),
    Column("role", String(16), nullable=False),
    Column("seq", BigInteger),
    Column("start", BigInteger, nullable=False),
    Column("end", BigInteger, nullable=False),
    Column("ending", String(16), nullable=False),
    Column("text", Text, nullable=False),
    Column("words", JSON, nullable=False),
    Column("reason", Text, nullable=False),
    Column("language", String(8), nullable=False),
    Column("keywords_revision", Integer, nullable=False),
    Column("keywords_found", JSON, nullable=False),
    Column("engine", Text, nullable=False),
    Column("flags", JSON, nullable=False),
    Column("waited_ms", Integer),
    Column("engine_ms", Integer),
    Column("lexical", JSON),
    Column("redactions", JSON),
)
"""
`id` is made of call, channel and number (see `segment_key`), so that the rows of a call lie together.

`words`, `lexical`: lists of `[text, start, end, confidence, speaker, role]`.  `redactions`: a list of
`[kind, place, start, end]`.
"""

gaps = Table(
    "gaps",
    metadata,
    _of_a_call(),
    Column("channel", Integer, primary_key=True),
    Column("start", BigInteger, primary_key=True),
    Column("end", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("account", String(16), nullable=False, default=Account.LOST_UPSTREAM),
    Column("seq", BigInteger),
)

line_warnings = Table(
    "line_warnings",
    metadata,
    _of_a_call(),
    Column("channel", Integer, primary_key=True),
    Column("fault", String(32), primary_key=True),
    Column("at", BigInteger, primary_key=True),
    Column("check", Text, nullable=False),
    Column("measured", Float, nullable=False),
    Column("unit", String(32), nullable=False),
    Column("seq", BigInteger),
)

cards = Table(
    "cards",
    metadata,
    _of_a_call(),
    Column("card_id", String(128), primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("title", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("link", Text, nullable=False),
    Column("audience", String(16), nullable=False),
    Column("segment", String(32), nullable=False),
    Column("rule", Text, nullable=False),
    Column("seq", BigInteger),
)
"""Cards of the site.  `segment`: what caused it, such as `0-3`, or empty.  `seq`: absent of a card that was added
after the end of the call."""

keyword_lists = Table(
    "keyword_lists",
    metadata,
    _of_a_call(),
    Column("revision", Integer, primary_key=True),
    Column("accepted", JSON, nullable=False),
    Column("rejected", JSON, nullable=False),
    Column("seq", BigInteger),
)

found_keywords = Table(
    "found_keywords",
    metadata,
    _of_a_call(),
    Column("keyword", Text, primary_key=True),
    _tenant_of_a_call(),
    Index("found_keywords_by_name", "tenant", "keyword", "call"),
)
"""Keywords that finals contain, case-folded, to find calls by them."""

tags = Table(
    "tags",
    metadata,
    _of_a_call(),
    Column("tag", String(64), primary_key=True),
    _tenant_of_a_call(),
    Index("tags_by_name", "tenant", "tag", "call"),
)

call_metadata = Table(
    "call_metadata",
    metadata,
    _of_a_call(),
    Column("name", String(LONGEST_METADATA), primary_key=True),
    Column("value", String(LONGEST_METADATA), nullable=False),
    Column("place", Integer, nullable=False),
    _tenant_of_a_call(),
    Index("call_metadata_by_value", "tenant", "name", "value", "call"),
)
"""What the bridge said about a call, as `call.started` shows it, in the order `place`."""
analyses = Table(
    "analyses",
    metadata,
    _of_a_call(),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("due_at", Float, nullable=False),
    Column("begun_at", Float),
    Column("finished_at", Float),
    Column("reason", Text, nullable=False, default=""),
    Column("answer", JSON(none_as_null=True)),
    Column("model", Text, nullable=False, default=""),
    Column("template", String(64), nullable=False, default=""),
    Column("coverage", JSON, nullable=False, default=dict),
    Column("prompt_tokens", Integer, nullable=False, default=0),
    Column("answer_tokens", Integer, nullable=False, default=0),
    Column("elapsed_ms", Integer, nullable=False, default=0),
    Index("analyses_due", "state", "due_at"),
    Index("analyses_begun", "begun_at"),
)
"""
What a language model has answered about a call.  `call`: its first stream.

`due_at`: when it may be analysed; of a running analysis, when its claim ends.  `begun_at` names the attempt.
"""

rule_sets = Table(
    "rule_sets",
    metadata,
    Column("tenant", String(64), primary_key=True),
    Column("body", Text, nullable=False),
    Column("changed_at", Float, nullable=False),
)
"""The rules that a tenant has set by the API, as JSON."""

audio_parts = Table(
    "audio_parts",
    metadata,
    _of_a_call(),
    Column("part", String(64), primary_key=True),
    Column("key", LargeBinary, nullable=False),
    Column("is_checked", Boolean, nullable=False),
    Column("seq", BigInteger),
)
"""Audio that gateways have kept of a call, until the recorder has made one file of it.  `key`: wrapped."""

kept_audio = Table(
    "kept_audio",
    metadata,
    _of_a_call(),
    Column("file", String(64), nullable=False, unique=True),
    Column("key", LargeBinary, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("made_at", Float, nullable=False),
    Column("is_stale", Boolean, nullable=False, server_default=false()),
)
"""
The finished audio of a call.  `size`: plain bytes.  `key`: wrapped; without it the file is unreadable.

`is_stale`: data was redacted since it was made.
"""

Index(
    "stale_audio",
    kept_audio.c.call,
    sqlite_where=kept_audio.c.is_stale,
    postgresql_where=kept_audio.c.is_stale,
)

redacted_spans = Table(
    "redacted_spans",
    metadata,
    _of_a_call(),
    Column("channel", Integer, primary_key=True),
    Column("start", BigInteger, primary_key=True),
    Column("end", BigInteger, primary_key=True),
    Column("kind", String(32), nullable=False),
)
"""Where data was redacted that was spoken or keyed in: it is silent in kept audio."""

webhooks = Table(
    "webhooks",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("tenant", String(64), nullable=False, index=True),
    Column("url", Text, nullable=False),
    Column("events", JSON, nullable=False),
    Column("description", Text, nullable=False),
    Column("secrets", JSON, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("disabled_reason", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("failing_since", Float),
    Column("paused_until", Float, nullable=False),
    Column("dropped", Integer, nullable=False),
)
"""Endpoints of tenants.  `secrets`: a list of `[secret, until]`."""

webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("number", BIG, primary_key=True),
    Column("id", String(64), nullable=False, unique=True),
    Column("webhook", String(40), ForeignKey("webhooks.id", ondelete="CASCADE"), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("call", BIG, ForeignKey("calls.id", ondelete="CASCADE"), index=True),
    Column("segment", BIG),
    Column("seq", BigInteger),
    Column("data", JSON, nullable=False),
    Column("queued_at", Float, nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", Float, nullable=False),
    Column("leased_until", Float, nullable=False, index=True),
    Column("tried_at", Float),
    Column("status", Integer),
    Column("error", Text, nullable=False),
    Index("deliveries_due", "webhook", "state", "due_at"),
    Index("deliveries_by_age", "state", "queued_at"),
)
"""Requests to endpoints.  `segment`: key of the segment whose words are sent; the words are not here."""

quarantine = Table(
    "quarantine",
    metadata,
    Column("outbox", String(128), primary_key=True),
    Column("entry_id", String(64), primary_key=True),
    Column("call_id", String(LONGEST_CALL_ID), nullable=False, index=True),
    Column("seq", BigInteger),
    Column("payload", LargeBinary, nullable=False),
    Column("reason", Text, nullable=False),
    Column("log", String(64), nullable=False, default=""),
)
"""Entries that could not be stored, unchanged.  No foreign key: their call may not be in `calls`."""

erased = Table(
    "erased",
    metadata,
    Column("call_id", String(LONGEST_CALL_ID), primary_key=True),
    Column("log", String(64), primary_key=True),
)
"""Event logs of deleted calls.  An entry of such a log that comes later is not stored."""

audit = Table(
    "audit",
    metadata,
    Column("id", BIG, primary_key=True),
    Column("at", Float, nullable=False, index=True),
    Column("who", Text, nullable=False),
    Column("tenant", String(64), nullable=False),
    Column("action", String(32), nullable=False),
    Column("call_id", String(LONGEST_CALL_ID), nullable=False),
)
"""Who read, changed or deleted which call, and when.  No foreign key: it outlives the call."""

OF_A_CALL = (
    gaps,
    line_warnings,
    cards,
    keyword_lists,
    found_keywords,
    tags,
    audio_parts,
    kept_audio,
    redacted_spans,
    call_metadata,
    analyses,
    webhook_deliveries,
)
"""Tables whose rows belong to a row of `calls`, beside `segments`."""

_NUMBER_BITS = 21
_CHANNEL_BITS = 3
CALL_SHIFT = _NUMBER_BITS + _CHANNEL_BITS


def segment_key(call: int, channel: int, number: int) -> int | None:
    """Return the key of a segment in `segments` and in the full-text index; None if the numbers are too large."""
    if not (0 <= channel < 1 << _CHANNEL_BITS and 0 <= number < 1 << _NUMBER_BITS):
        return None
    return call << CALL_SHIFT | channel << _NUMBER_BITS | number


def call_of(key: int) -> int:
    """Return the number of the call to which a segment key belongs."""
    return key >> CALL_SHIFT


def channel_of(key: int) -> int:
    """Return the channel to which a segment key belongs."""
    return key >> _NUMBER_BITS & (1 << _CHANNEL_BITS) - 1


def keys_of(call: int) -> tuple[int, int]:
    """Return the first and the last possible segment key of a call."""
    return call << CALL_SHIFT, (call + 1 << CALL_SHIFT) - 1
