"""
The tables.  Lists and totals are in JSON columns, because no query searches them.

Positions and durations are samples of the call clock.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

from protocol.events import Account

VERSION = 4
"""Schema version, incremented with each change.  A program refuses a database with a newer one."""

LONGEST_CALL_ID = 1_024
"""Most characters of a stored id: tenant, an id of 255 bytes that are all escaped, and a stream number."""

UPGRADES: dict[int, tuple[tuple[str, str], ...]] = {
    1: (
        ("calls", "ADD COLUMN tenant VARCHAR(64) NOT NULL DEFAULT ''"),
        ("segments", "ADD COLUMN waited_ms INTEGER"),
        ("segments", "ADD COLUMN engine_ms INTEGER"),
    ),
    2: (
        ("calls", "ADD COLUMN log VARCHAR(64) NOT NULL DEFAULT ''"),
        ("quarantine", "ADD COLUMN log VARCHAR(64) NOT NULL DEFAULT ''"),
        ("gaps", "ADD COLUMN account VARCHAR(16) NOT NULL DEFAULT 'lost_upstream'"),
    ),
    3: tuple(
        (table, f"ALTER COLUMN call_id TYPE VARCHAR({LONGEST_CALL_ID})")
        for table in (
            "calls",
            "segments",
            "words",
            "gaps",
            "keyword_lists",
            "line_warnings",
            "quarantine",
        )
    ),
}
"""
For each version: the alterations that lead to the next one, in SQL common to SQLite and PostgreSQL.

SQLite has no `ALTER COLUMN` and needs none: it does not enforce the length of a VARCHAR.

New tables are not listed here: missing tables are created in their present form.
"""

metadata = MetaData()

schema_version = Table("schema_version", metadata, Column("version", Integer, primary_key=True))

calls = Table(
    "calls",
    metadata,
    Column("call_id", String(LONGEST_CALL_ID), primary_key=True),
    Column("tenant", String(64), nullable=False, default=""),
    Column("log", String(64), nullable=False, default=""),
    Column("roles", JSON, nullable=False),
    Column("language", String(8), nullable=False),
    Column("dialect", String(32), nullable=False),
    Column("started_at", Float, nullable=False, index=True),
    Column("ended_reason", Text, nullable=False, default=""),
    Column("duration", BigInteger, nullable=False, default=0),
    Column("channels", JSON, nullable=False, default=list),
)


def _of_a_call() -> Column[str]:
    return Column(
        "call_id",
        String(LONGEST_CALL_ID),
        ForeignKey("calls.call_id", ondelete="CASCADE"),
        primary_key=True,
    )


segments = Table(
    "segments",
    metadata,
    _of_a_call(),
    Column("channel", Integer, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("start", BigInteger, nullable=False),
    Column("end", BigInteger, nullable=False),
    Column("ending", String(16), nullable=False),
    Column("text", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("language", String(8), nullable=False),
    Column("keywords_revision", Integer, nullable=False),
    Column("keywords_found", JSON, nullable=False),
    Column("engine", Text, nullable=False),
    Column("flags", JSON, nullable=False),
    Column("waited_ms", Integer),
    Column("engine_ms", Integer),
)

words = Table(
    "words",
    metadata,
    _of_a_call(),
    Column("channel", Integer, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("place", Integer, primary_key=True),
    Column("text", Text, nullable=False),
    Column("start", BigInteger),
    Column("end", BigInteger),
    Column("confidence", Float),
)

gaps = Table(
    "gaps",
    metadata,
    _of_a_call(),
    Column("channel", Integer, primary_key=True),
    Column("start", BigInteger, primary_key=True),
    Column("end", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("account", String(16), nullable=False, default=Account.LOST_UPSTREAM),
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
)

keyword_lists = Table(
    "keyword_lists",
    metadata,
    _of_a_call(),
    Column("revision", Integer, primary_key=True),
    Column("accepted", JSON, nullable=False),
    Column("rejected", JSON, nullable=False),
)

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
