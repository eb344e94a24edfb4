"""
Calls, segments and words in a database: SQLite by default, PostgreSQL in production.

Recording is idempotent: the same event twice changes nothing, and events may come in any order.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Self

from sqlalchemy import Connection, Engine, delete, insert, select
from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from . import queries
from .database import StoreError, code, open_database
from .outbox import Arrival, Quarantined, Recorded
from .pieces import joined
from .schema import calls, gaps, keyword_lists, line_warnings, quarantine, segments, words
from .transcript import CallSummary, Transcript
from .writes import ConflictError, write

__all__ = ["RefusedError", "Store", "StoreError", "StoreUnavailableError"]


class StoreUnavailableError(StoreError):
    """The database is unreachable, full or locked.  Nothing was stored; the same batch may be tried again."""


class RefusedError(Exception):
    """An entry of the batch can never be stored, so nothing of the batch was.  The text quotes no content."""


class Store:
    """The stored calls.  All methods block: call them off the event loop."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @classmethod
    def open(cls, url: str) -> Self:
        """Open the store, created if absent.  Raises StoreError if it is unusable or newer than this program."""
        return cls(open_database(url))

    def close(self) -> None:
        """Close the connections to the database."""
        self._engine.dispose()

    def record(self, batch: Sequence[Recorded]) -> None:
        """Store the whole batch or nothing.  Raises StoreUnavailableError or RefusedError."""
        try:
            self._record(batch)
        except RefusedError:  # another recorder may have stored it first: its rows are visible now
            self._record(batch)

    def _record(self, batch: Sequence[Recorded]) -> None:
        with self._transaction() as connection:
            for one in batch:
                write(connection, one)

    def calls(self, limit: int = 50) -> list[CallSummary]:
        """Return the latest calls, newest first."""
        with self._transaction() as connection:
            return queries.latest_calls(connection, limit)

    def transcript(self, call_id: str) -> Transcript | None:
        """Return the transcript stored under exactly this id; None if there is none."""
        with self._transaction() as connection:
            return queries.transcript(connection, call_id)

    def whole(self, call_id: str) -> Transcript | None:
        """
        Return a call joined with its later streams (`CALL~2`); None if it is not stored.

        The id of a later stream returns that stream alone.
        """
        with self._transaction() as connection:
            names = queries.piece_ids(connection, call_id)
            found = [queries.transcript(connection, name) for name in names]
        pieces = [one for one in found if one is not None]
        return joined(pieces) if pieces else None

    def delete(self, call_id: str) -> bool:
        """
        Delete a call with all its streams and its quarantined entries.  Returns whether anything was deleted.

        The id of a later stream deletes that stream alone.  Events that arrive later are stored again.
        """
        with self._transaction() as connection:
            names = {call_id, *queries.piece_ids(connection, call_id)}
            gone = [
                connection.execute(delete(table).where(table.c.call_id.in_(names))).rowcount
                for table in (
                    words,
                    segments,
                    gaps,
                    keyword_lists,
                    line_warnings,
                    quarantine,
                    calls,
                )
            ]
        if self._engine.dialect.name == "sqlite":
            self._empty_wal()
        return any(gone)

    def set_aside(self, ones: Sequence[Quarantined]) -> None:
        """Quarantine entries, unchanged.  Idempotent."""
        with self._transaction() as connection:
            for one in ones:
                if not _is_aside(connection, one.arrival):
                    connection.execute(insert(quarantine).values(_quarantine_row(one)))

    def quarantined(self) -> list[Quarantined]:
        """Return all quarantined entries."""
        with self._transaction() as connection:
            return queries.quarantined(connection)

    def release(self, arrival: Arrival) -> None:
        """Delete an entry from quarantine, because it is stored now."""
        same = (quarantine.c.outbox == arrival.outbox, quarantine.c.entry_id == arrival.entry_id)
        with self._transaction() as connection:
            connection.execute(delete(quarantine).where(*same))

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except (OperationalError, InterfaceError, PoolTimeoutError) as exc:
            raise StoreUnavailableError(
                f"the database failed ({code(exc)}): check that it is running, not full and not locked"
            ) from exc
        except ConflictError as exc:
            raise RefusedError(
                "another segment with this number is stored already: the call id was used twice"
            ) from exc
        except SQLAlchemyError as exc:
            raise RefusedError(f"the database refused the event ({code(exc)})") from exc
        except OverflowError as exc:  # SQLite's driver: a number of more than 64 bits
            raise RefusedError("a number is too large for the database") from exc

    def _empty_wal(self) -> None:
        """Truncate the write-ahead log: it still contains deleted rows (https://www.sqlite.org/wal.html#ckpt)."""
        with self._engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")


def _is_aside(connection: Connection, arrival: Arrival) -> bool:
    same = (quarantine.c.outbox == arrival.outbox, quarantine.c.entry_id == arrival.entry_id)
    return connection.execute(select(quarantine.c.entry_id).where(*same)).first() is not None


def _quarantine_row(one: Quarantined) -> dict[str, object]:
    arrival = one.arrival
    return {
        "outbox": arrival.outbox,
        "entry_id": arrival.entry_id,
        "call_id": arrival.call_id,
        "seq": arrival.seq,
        "payload": arrival.payload,
        "reason": one.reason,
        "log": arrival.log,
    }
