"""
Stores of schema 1 to 4, from before the migrations: the alterations that lead to schema 4.

`ALTER COLUMN` is for PostgreSQL: SQLite has none and needs none, because it does not enforce the length of a
VARCHAR.
"""

from sqlalchemy import Connection, MetaData, Table, inspect, text
from sqlalchemy.schema import Column
from sqlalchemy.types import JSON, BigInteger, Float, Integer, LargeBinary, String, Text

LAST = 4

_TABLES = ("calls", "segments", "words", "gaps", "keyword_lists", "line_warnings", "quarantine")

_STEPS: dict[int, tuple[tuple[str, str], ...]] = {
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
    3: tuple((table, "ALTER COLUMN call_id TYPE VARCHAR(1024)") for table in _TABLES),
}

metadata = MetaData()


def _table(name: str, *columns: Column[object]) -> Table:
    call_id: Column[object] = Column("call_id", String(1_024), primary_key=True)
    return Table(name, metadata, call_id, *columns)


def _numbers(*names: str, key: bool = False) -> list[Column[object]]:
    return [Column(name, BigInteger, primary_key=key) for name in names]


def _texts(*names: str) -> list[Column[object]]:
    return [Column(name, Text) for name in names]


def _lists(*names: str) -> list[Column[object]]:
    return [Column(name, JSON) for name in names]


calls = _table(
    "calls",
    *_texts("log", "language", "dialect", "ended_reason"),
    *_lists("roles", "channels"),
    Column("started_at", Float),
    *_numbers("duration"),
)
segments = _table(
    "segments",
    *_numbers("channel", "number", key=True),
    *_numbers("start", "end", "keywords_revision", "waited_ms", "engine_ms"),
    *_texts("ending", "text", "reason", "language", "engine"),
    *_lists("keywords_found", "flags"),
)
words = _table(
    "words",
    *_numbers("channel", "number", "place", key=True),
    *_texts("text"),
    *_numbers("start", "end"),
    Column("confidence", Float),
)
gaps = _table(
    "gaps",
    *_numbers("channel", "start", key=True),
    *_numbers("end"),
    *_texts("reason", "account"),
)
line_warnings = _table(
    "line_warnings",
    *_numbers("channel", key=True),
    Column("fault", Text, primary_key=True),
    *_numbers("at", key=True),
    *_texts("check", "unit"),
    Column("measured", Float),
)
keyword_lists = _table(
    "keyword_lists", Column("revision", Integer, primary_key=True), *_lists("accepted", "rejected")
)
Table(
    "quarantine",
    metadata,
    Column("outbox", String(128), primary_key=True),
    Column("entry_id", String(64), primary_key=True),
    Column("call_id", String(1_024), nullable=False, index=True),
    Column("seq", BigInteger),
    Column("payload", LargeBinary, nullable=False),
    Column("reason", Text, nullable=False),
    Column("log", String(64), nullable=False),
)


def bring_to_last(connection: Connection, found: int) -> None:
    """Alter the tables of schema `found` (1 to 4) to those of schema 4; make those that are missing."""
    there = set(inspect(connection).get_table_names())
    metadata.create_all(connection)
    for version in range(found, LAST):
        for table, alteration in _STEPS[version]:
            is_for_others = connection.dialect.name == "sqlite" and alteration.startswith("ALTER")
            if table in there and not is_for_others:
                connection.execute(text(f"ALTER TABLE {table} {alteration}"))
