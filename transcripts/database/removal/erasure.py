"""
Remove what deleted rows have left in the files of SQLite, in short steps.

`secure_delete` overwrites deleted rows.  What is left: terms in the full-text index until it is merged (before
SQLite 3.42), free pages, and the write-ahead log.  A mark in the header of the file (`PRAGMA user_version`) tells
that something is left, so that another process can erase it, also after a crash.  The mark is a number that only
grows: it is odd from the first deletion until an erasure that has begun after the last deletion is complete.

PostgreSQL needs none of this: its autovacuum removes deleted rows.
"""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Engine

from .. import search_index

_PATIENCE_MS = 200
"""Longest wait for readers of the write-ahead log: the recorder stores nothing meanwhile."""


def mark(connection: Connection) -> None:
    """Note that rows were deleted, at the end of the transaction that has deleted them."""
    if connection.dialect.name != "sqlite":
        return
    before = _mark(connection)
    _set_mark(connection, before + (2 if before % 2 else 1))


def is_due(connection: Connection) -> bool:
    """Return whether deleted rows have left something."""
    return connection.dialect.name == "sqlite" and _mark(connection) % 2 == 1


def steps(engine: Engine) -> Iterator[None]:
    """
    Erase.  Yields after each step; a step is a transaction of some milliseconds, except the last one.

    Ends early if a reader keeps the write-ahead log in use: the mark stays, so that the next erasure ends it.
    """
    while True:
        with engine.connect() as connection:
            if not is_due(connection):
                return
            begun = _mark(connection)
        if not search_index.IS_DELETED_AT_ONCE:
            yield from _merged(engine)
        if not _truncated(engine):
            return
        with engine.begin() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            if _mark(connection) == begun:
                _set_mark(connection, begun + 1)
        yield


def _merged(engine: Engine) -> Iterator[None]:
    is_first, is_more = True, True
    while is_more:
        with engine.begin() as connection:
            is_more = search_index.merge_step(connection, first=is_first)
        is_first = False
        yield


def _truncated(engine: Engine) -> bool:
    """Give free pages back and empty the write-ahead log.  Returns whether it is empty."""
    with engine.connect() as connection:
        raw: Any = connection.connection.dbapi_connection
        raw.executescript("PRAGMA incremental_vacuum")  # `execute` would free one page
        patience = raw.execute("PRAGMA busy_timeout").fetchone()[0]
        raw.execute(f"PRAGMA busy_timeout={_PATIENCE_MS}")
        try:
            return not raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        finally:
            raw.execute(f"PRAGMA busy_timeout={patience}")


def _mark(connection: Connection) -> int:
    return int(connection.exec_driver_sql("PRAGMA user_version").scalar() or 0)


def _set_mark(connection: Connection, number: int) -> None:
    connection.exec_driver_sql(f"PRAGMA user_version = {number}")
