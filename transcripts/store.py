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
    """The database is away, full or locked: nothing was stored, and the same may be tried again later."""


class RefusedError(Exception):
    """Something of a batch can never be stored, and so nothing of it was.  The text quotes none of it."""


class Store:
    """What was said, for as long as it is kept.  Blocks: call it off the event loop."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @classmethod
    def open(cls, url: str) -> Self:
        """A store, made if it is not there.  StoreError when it cannot be used, or is newer than this program."""
        return cls(open_database(url))

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    def record(self, batch: Sequence[Recorded]) -> None:
        """Store a batch, all of it or nothing: StoreUnavailableError for now, RefusedError for ever."""
        try:
            self._record(batch)
        except RefusedError:  # perhaps another recorder was faster: now its rows can be seen
            self._record(batch)

    def _record(self, batch: Sequence[Recorded]) -> None:
        with self._transaction() as connection:
            for one in batch:
                write(connection, one)

    def calls(self, limit: int = 50) -> list[CallSummary]:
        """The latest calls, newest first."""
        with self._transaction() as connection:
            return queries.latest_calls(connection, limit)

    def transcript(self, call_id: str) -> Transcript | None:
        """A call with all that was said; None when it is not known."""
        with self._transaction() as connection:
            return queries.transcript(connection, call_id)

    def whole(self, call_id: str) -> Transcript | None:
        """
        A call with all that was said under its id, also in later streams (`CALL~2`); None when it is not known.

        The id of a piece, but the first, gives that piece alone.
        """
        with self._transaction() as connection:
            names = queries.piece_ids(connection, call_id)
            found = [queries.transcript(connection, name) for name in names]
        pieces = [one for one in found if one is not None]
        return joined(pieces) if pieces else None

    def delete(self, call_id: str) -> bool:
        """
        Forget a call with all its pieces, in quarantine too; whether anything was known of it.

        The id of a piece, but the first, forgets that piece alone.  What comes later is kept anew.
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
        """Keep what cannot be stored, as it came; twice is once."""
        with self._transaction() as connection:
            for one in ones:
                if not _is_aside(connection, one.arrival):
                    connection.execute(insert(quarantine).values(_quarantine_row(one)))

    def quarantined(self) -> list[Quarantined]:
        """All that was set aside."""
        with self._transaction() as connection:
            return queries.quarantined(connection)

    def release(self, arrival: Arrival) -> None:
        """Forget what was set aside: it is stored now."""
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
                f"the database does not do its work ({code(exc)}): is it there, full or locked?"
            ) from exc
        except ConflictError as exc:
            raise RefusedError(
                "other speech is stored under its number: call id used twice"
            ) from exc
        except SQLAlchemyError as exc:
            raise RefusedError(f"the database refuses it ({code(exc)})") from exc
        except OverflowError as exc:  # SQLite's driver: a number of more than 64 bits
            raise RefusedError("a number is too large for the database") from exc

    def _empty_wal(self) -> None:
        """The write-ahead log still holds what was deleted (https://www.sqlite.org/wal.html#ckpt)."""
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
