"""Delete calls, and every trace of them in the files of the database."""

from collections.abc import Collection

from sqlalchemy import Connection, Engine, delete, select

from . import search_index
from .schema import OF_A_CALL, calls, keys_of, quarantine, segments


def delete_calls(connection: Connection, names: Collection[str]) -> bool:
    """Delete the streams with these ids and their quarantined entries.  Returns whether anything was deleted."""
    gone = [connection.execute(delete(quarantine).where(quarantine.c.call_id.in_(names))).rowcount]
    found = connection.execute(select(calls.c.id).where(calls.c.call_id.in_(names))).scalars()
    for call in found.all():
        first, last = keys_of(call)
        search_index.delete(connection, first, last)
        connection.execute(delete(segments).where(segments.c.id.between(first, last)))
        for table in OF_A_CALL:
            connection.execute(delete(table).where(table.c.call == call))
        gone.append(connection.execute(delete(calls).where(calls.c.id == call)).rowcount)
    return any(gone)


def erase_traces(engine: Engine) -> None:
    """
    Remove deleted rows from the files of SQLite; does nothing for PostgreSQL, whose autovacuum does it.

    `secure_delete` has overwritten the rows.  What is left: terms in the full-text index until it is merged, free
    pages, and the write-ahead log.  Each step is a short transaction: the recorder goes on in between.
    """
    if engine.dialect.name != "sqlite":
        return
    is_first = True
    while _merge_step(engine, first=is_first):
        is_first = False
    with engine.connect() as connection:
        raw = connection.connection.dbapi_connection
        assert raw is not None  # it is connected
        # `execute` would do one step, which frees one page.
        raw.executescript("PRAGMA incremental_vacuum; PRAGMA wal_checkpoint(TRUNCATE);")


def _merge_step(engine: Engine, *, first: bool) -> bool:
    with engine.begin() as connection:
        return search_index.merge_step(connection, first=first)
