"""
Give calls a number, and find them by tenant, text, keyword and tag.

Rows of a call have its number instead of its id, words are in the row of their segment, and segments are in a
full-text index.
"""

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from alembic import op
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Connection,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    RowMapping,
    String,
    Table,
    Text,
    insert,
    select,
    text,
)

from protocol.tenants import parted
from transcripts.database import search_index
from transcripts.database.migrations import legacy
from transcripts.transcript import root_of

revision = "5"
down_revision = None

_AT_ONCE = 200
"""Calls that are copied at a time."""

_BIG = BigInteger().with_variant(Integer, "sqlite")
_NUMBER_BITS, _CHANNEL_BITS = 21, 3
_OLD = ("calls", "segments", "words", "gaps", "keyword_lists", "line_warnings")

_metadata = MetaData()

_calls = Table(
    "calls",
    _metadata,
    Column("id", _BIG, primary_key=True),
    Column("call_id", String(1_024), nullable=False, unique=True),
    Column("root", String(1_024), nullable=False, index=True),
    Column("tenant", String(64), nullable=False),
    Column("log", String(64), nullable=False),
    Column("roles", JSON, nullable=False),
    Column("language", String(8), nullable=False),
    Column("dialect", String(32), nullable=False),
    Column("started_at", Float, nullable=False),
    Column("ended_reason", Text, nullable=False),
    Column("duration", BigInteger, nullable=False),
    Column("channels", JSON, nullable=False),
    Column("started_seq", BigInteger),
    Column("ended_seq", BigInteger),
    Column("agent", Text, nullable=False, default=""),
    Column("notes", Text, nullable=False, default=""),
    Column("legal_hold", Boolean, nullable=False, default=False),
    Index("calls_by_time", "tenant", "started_at", "id"),
    Index("calls_by_duration", "tenant", "duration", "id"),
    Index("calls_by_age", "started_at"),
)


def _of_a_call() -> Column[int]:
    return Column("call", _BIG, ForeignKey("calls.id", ondelete="CASCADE"), primary_key=True)


_segments = Table(
    "segments",
    _metadata,
    Column("id", _BIG, primary_key=True, autoincrement=False),
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
)
_gaps = Table(
    "gaps",
    _metadata,
    _of_a_call(),
    Column("channel", Integer, primary_key=True),
    Column("start", BigInteger, primary_key=True),
    Column("end", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("account", String(16), nullable=False),
    Column("seq", BigInteger),
)
_line_warnings = Table(
    "line_warnings",
    _metadata,
    _of_a_call(),
    Column("channel", Integer, primary_key=True),
    Column("fault", String(32), primary_key=True),
    Column("at", BigInteger, primary_key=True),
    Column("check", Text, nullable=False),
    Column("measured", Float, nullable=False),
    Column("unit", String(32), nullable=False),
    Column("seq", BigInteger),
)
_keyword_lists = Table(
    "keyword_lists",
    _metadata,
    _of_a_call(),
    Column("revision", Integer, primary_key=True),
    Column("accepted", JSON, nullable=False),
    Column("rejected", JSON, nullable=False),
    Column("seq", BigInteger),
)
_found_keywords = Table(
    "found_keywords", _metadata, _of_a_call(), Column("keyword", Text, primary_key=True)
)
Table(
    "tags",
    _metadata,
    _of_a_call(),
    Column("tag", String(64), primary_key=True),
    Index("tags_by_name", "tag", "call"),
)
Table(
    "erased",
    _metadata,
    Column("call_id", String(1_024), primary_key=True),
    Column("log", String(64), primary_key=True),
)
Table(
    "audit",
    _metadata,
    Column("id", _BIG, primary_key=True),
    Column("at", Float, nullable=False, index=True),
    Column("who", Text, nullable=False),
    Column("tenant", String(64), nullable=False),
    Column("action", String(32), nullable=False),
    Column("call_id", String(1_024), nullable=False),
)


def upgrade() -> None:
    """Copy the calls, in order of their start, and drop the former tables."""
    connection = op.get_bind()
    connection.execute(text("DROP INDEX IF EXISTS ix_calls_started_at"))
    for name in _OLD:
        connection.execute(text(f"ALTER TABLE {name} RENAME TO {name}_4"))
    _metadata.create_all(connection)
    search_index.create(connection)
    for some in _batches(connection):
        _copy(connection, some)
    for name in reversed(_OLD):
        connection.execute(text(f"DROP TABLE {name}_4"))


def _renamed(table: Table) -> Table:
    return table.to_metadata(MetaData(), name=f"{table.name}_4")


def _batches(connection: Connection) -> Iterator[list[RowMapping]]:
    old = _renamed(legacy.calls)
    named = connection.execute(select(old.c.call_id).order_by(old.c.started_at, old.c.call_id))
    ids = list(named.scalars())
    for first in range(0, len(ids), _AT_ONCE):
        some = ids[first : first + _AT_ONCE]
        rows = connection.execute(select(old).where(old.c.call_id.in_(some))).mappings()
        by_id = {row["call_id"]: row for row in rows}
        yield [by_id[call_id] for call_id in some]


def _copy(connection: Connection, some: list[RowMapping]) -> None:
    numbers: dict[str, int] = {}
    for row in some:
        call_id = row["call_id"]
        values = {**row, "root": root_of(call_id), "tenant": parted(call_id)[0]}
        values["started_at"] = values["started_at"] or time.time()
        made = connection.execute(insert(_calls).values(values)).inserted_primary_key
        assert made is not None  # the table has a key
        numbers[call_id] = int(made[0])
    roles = {row["call_id"]: list(row["roles"]) for row in some}
    _copy_segments(connection, numbers, roles)
    for old, new in (
        (legacy.gaps, _gaps),
        (legacy.line_warnings, _line_warnings),
        (legacy.keyword_lists, _keyword_lists),
    ):
        rows = [_numbered(row, numbers) for row in _rows_of(connection, old, numbers)]
        if rows:
            connection.execute(insert(new), rows)


def _copy_segments(
    connection: Connection, numbers: Mapping[str, int], roles: Mapping[str, list[str]]
) -> None:
    said: defaultdict[tuple[str, int, int], list[list[Any]]] = defaultdict(list)
    words = sorted(_rows_of(connection, legacy.words, numbers), key=lambda row: row["place"])
    for word in words:
        key = (word["call_id"], word["channel"], word["number"])
        said[key].append([word["text"], word["start"], word["end"], word["confidence"]])
    rows, terms, keywords = [], [], set()
    for old in _rows_of(connection, legacy.segments, numbers):
        name, channel, number = old["call_id"], old["channel"], old["number"]
        row = _numbered(old, numbers)
        call = row.pop("call")
        row["id"] = (call << _CHANNEL_BITS | channel) << _NUMBER_BITS | number
        row["words"] = said[name, channel, number]
        row["role"] = roles[name][channel] if channel < len(roles[name]) else "mixed"
        rows.append(row)
        terms.append((row["id"], parted(name)[0], row["text"]))
        keywords |= {(call, word.casefold()) for word in row["keywords_found"]}
    if rows:
        connection.execute(insert(_segments), rows)
    search_index.insert(connection, terms)
    if keywords:
        found = [{"call": call, "keyword": word} for call, word in keywords]
        connection.execute(insert(_found_keywords), found)


def _rows_of(
    connection: Connection, table: Table, numbers: Mapping[str, int]
) -> Iterator[RowMapping]:
    old = _renamed(table)
    query = select(old).where(old.c.call_id.in_(list(numbers)))
    return iter(connection.execute(query).mappings().all())


def _numbered(row: RowMapping, numbers: Mapping[str, int]) -> dict[str, Any]:
    values: dict[str, Any] = {name: value for name, value in row.items() if name != "call_id"}
    return values | {"call": numbers[row["call_id"]]}
