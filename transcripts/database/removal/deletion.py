"""Delete calls."""

from collections.abc import Collection

from sqlalchemy import Connection, delete, insert, select

from ...transcript import root_of
from .. import analysis_rows, search_index
from ..schema import OF_A_CALL, calls, erased, keys_of, quarantine, segments
from . import erasure


class LegalHoldError(Exception):
    """The call is under legal hold: nothing was deleted."""


def delete_calls(connection: Connection, names: Collection[str]) -> bool:
    """
    Delete the streams with these ids and their quarantined entries.  Returns whether anything was deleted.

    An erasure must follow.  Raises LegalHoldError.
    """
    roots = {root_of(name) for name in names}
    held = (calls.c.call_id.in_(roots), calls.c.legal_hold)
    if connection.execute(select(calls.c.id).where(*held)).first() is not None:
        raise LegalHoldError
    analysis_rows.forget(connection, roots)  # it tells of all streams
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
    erasure.mark(connection)
    return any(gone)


def _remember(connection: Connection, call_id: str, log: str) -> None:
    same = (erased.c.call_id == call_id, erased.c.log == log)
    if log and connection.execute(select(erased.c.log).where(*same)).first() is None:
        connection.execute(insert(erased).values(call_id=call_id, log=log))
