"""Delete calls, and every trace of them in the files of the database."""

from collections.abc import Collection

from sqlalchemy import Connection, Engine, delete, insert, select

from ..transcript import root_of
from . import search_index
from .schema import OF_A_CALL, calls, erased, keys_of, quarantine, segments


class LegalHoldError(Exception):
    """The call is under legal hold: nothing was deleted."""


def delete_calls(connection: Connection, names: Collection[str]) -> bool:
    """
    Delete the streams with these ids and their quarantined entries.  Returns whether anything was deleted.

    Raises LegalHoldError.
    """
    roots = {root_of(name) for name in names}
    held = (calls.c.call_id.in_(roots), calls.c.legal_hold)
    if connection.execute(select(calls.c.id).where(*held)).first() is not None:
        raise LegalHoldError
    gone = [connection.execute(delete(quarantine).where(quarantine.c.call_id.in_(names))).rowcount]
    found = select(calls.c.id, calls.c.root, calls.c.log).where(calls.c.call_id.in_(names))
    for call, root, log in connection.execute(found).all():
        _remember(connection, root, log)
        first, last = keys_of(call)
        search_index.delete(connection, first, last)
        connection.execute(delete(segments).where(segments.c.id.between(first, last)))
        for table in OF_A_CALL:
            connection.execute(delete(table).where(table.c.call == call))
        gone.append(connection.execute(delete(calls).where(calls.c.id == call)).rowcount)
    return any(gone)


def _remember(connection: Connection, call_id: str, log: str) -> None:
    same = (erased.c.call_id == call_id, erased.c.log == log)
    if log and connection.execute(select(erased.c.log).where(*same)).first() is None:
        connection.execute(insert(erased).values(call_id=call_id, log=log))


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
