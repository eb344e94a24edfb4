"""
Calls, segments and words in a database: SQLite by default, PostgreSQL in production.

Recording is idempotent: the same event twice changes nothing, and events may come in any order.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Self

from sqlalchemy import Connection, Engine, delete, insert, select
from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from protocol.events import CardAdded, Entry, SegmentRevised
from protocol.tenants import parted

from .analysis.analysis_store import AnalysisStore
from .database import annotations, audio_rows, audit_log, card_rows, rule_sets
from .database.audit_log import AuditEntry, AuditLine
from .database.opening import StoreError, code, open_database
from .database.reading import call_list, queries, stored_events
from .database.removal import deletion, erasure, expiry
from .database.removal.deletion import LegalHoldError
from .database.schema import quarantine
from .database.webhooks.queueing import queue_batch
from .database.writes import ConflictError, write
from .kept_audio.values import KeptAudio, StaleAudio, UnfinishedAudio
from .outbox import Arrival, Quarantined, Recorded
from .pieces import joined
from .retention import DAY_SECONDS, Retention
from .search.listing import Cursor, Filters, Page
from .transcript import CallSummary, Changes, StoredCard, Transcript
from .webhooks.webhook_store import WebhookStore

__all__ = ["LegalHoldError", "RefusedError", "Store", "StoreError", "StoreUnavailableError"]


class StoreUnavailableError(StoreError):
    """The database is unreachable, full or locked.  Nothing was stored; the same batch may be tried again."""


class RefusedError(Exception):
    """An entry of the batch can never be stored, so nothing of the batch was.  The text quotes no content."""


class Store:
    """The stored calls.  All methods block: call them off the event loop."""

    def __init__(self, engine: Engine, now: Callable[[], float] = time.time) -> None:
        """`now` returns Unix seconds."""
        self._engine = engine
        self._now = now

    @classmethod
    def open(cls, url: str) -> Self:
        """Open the store, created if absent.  Raises StoreError if it is unusable or newer than this program."""
        return cls(open_database(url))

    def close(self) -> None:
        """Close the connections to the database."""
        self._engine.dispose()

    @property
    def analyses(self) -> AnalysisStore:
        """What language models have answered about calls."""
        return AnalysisStore(self._transaction, self._now)

    @property
    def webhooks(self) -> WebhookStore:
        """Endpoints of webhooks and their deliveries."""
        return WebhookStore(self._transaction, self._now)

    def record(self, batch: Sequence[Recorded]) -> None:
        """
        Store the whole batch or nothing.  Raises StoreUnavailableError or RefusedError.

        If the batch revises segments, an erasure must follow: their former words are in the files of SQLite.
        """
        try:
            self._record(batch)
        except RefusedError:  # another recorder may have stored it first: its rows are visible now
            self._record(batch)

    def _record(self, batch: Sequence[Recorded]) -> None:
        is_revised = any(isinstance(one.entry.event, SegmentRevised) for one in batch)
        with self._transaction() as connection:
            call_rows = write(connection, batch, self._now())
            if call_rows is not None:
                queue_batch(connection, batch, call_rows, self._now())
            if is_revised:
                erasure.mark(connection)

    def page(self, filters: Filters, limit: int = 50, cursor: Cursor | None = None) -> Page:
        """Return the calls that fulfil `filters`, at most `limit`, from `cursor` on."""
        with self._transaction() as connection:
            return call_list.page(connection, filters, limit, cursor)

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

    def ended_reason(self, call_id: str) -> str | None:
        """Return why a call ended, empty while it goes on; None if it is not stored.  Reads no segment."""
        with self._transaction() as connection:
            return queries.last_ending(connection, call_id)

    def describe(self, call_id: str, changes: Changes) -> bool:
        """Change agent, notes, tags or legal hold of a call.  Returns whether the call is stored."""
        with self._transaction() as connection:
            return annotations.describe(connection, call_id, changes)

    def events(self, call_id: str) -> list[Entry] | None:
        """Return the stored events of a stream in order of their `seq`; None if it is not stored."""
        with self._transaction() as connection:
            return stored_events.entries(connection, call_id)

    def cards(self, call_id: str) -> list[StoredCard] | None:
        """Return the cards of a call, of all its streams; None if it is not stored."""
        with self._transaction() as connection:
            names = queries.piece_ids(connection, call_id)
            return card_rows.of_streams(connection, names) if names else None

    def add_card(self, call_id: str, card: CardAdded) -> bool:
        """Add a card to a stored stream.  Idempotent.  Returns False if there is no such stream or no room."""
        with self._transaction() as connection:
            return card_rows.add(connection, call_id, card)

    def ended_since(self, since: float, limit: int) -> list[str]:
        """Return ids of streams that have ended since `since` (Unix seconds), of calls of at most a day."""
        with self._transaction() as connection:
            return queries.ended_since(connection, since, limit)

    def people(self, call_ids: Sequence[str]) -> dict[str, tuple[str, tuple[str, ...]]]:
        """Return agent and tags of stored calls, by call id."""
        with self._transaction() as connection:
            found = queries.summaries(connection, list(call_ids), by_id=False)
        return {one.call_id: (one.agent, one.tags) for one in found.values()}

    def rules(self) -> dict[str, str]:
        """Return the rules that were set by the API, as JSON, by tenant."""
        with self._transaction() as connection:
            return rule_sets.read(connection)

    def set_rules(self, tenant: str, body: str) -> None:
        """Replace the rules of a tenant.  `body`: JSON."""
        with self._transaction() as connection:
            rule_sets.write(connection, tenant, body, self._now())

    def unfinished_audio(self, after: int, limit: int) -> list[UnfinishedAudio]:
        """Return ended calls whose audio is still in parts, numbered higher than `after`, in order."""
        with self._transaction() as connection:
            return audio_rows.unfinished(connection, after, limit)

    def finish_audio(self, one: UnfinishedAudio, kept: KeptAudio | None) -> bool:
        """
        Store the finished audio of a call, and delete the keys of its parts.  An erasure must follow.

        Returns False, and does nothing, if the call has other parts by now.
        """
        with self._transaction() as connection:
            is_done = audio_rows.finish(connection, one, kept, self._now())
            erasure.mark(connection)
        return is_done

    def stale_audio(self, after: int, limit: int) -> list[StaleAudio]:
        """Return finished audio of calls of which data was redacted later, numbered above `after`, in order."""
        with self._transaction() as connection:
            return audio_rows.stale(connection, after, limit)

    def replace_audio(self, one: StaleAudio, kept: KeptAudio) -> bool:
        """
        Store audio in place of a stale one, whose key is deleted.  An erasure must follow.

        Returns False, and does nothing, if the stale one is not stored any more.
        """
        with self._transaction() as connection:
            is_done = audio_rows.replace(connection, one, kept, self._now())
            erasure.mark(connection)
        return is_done

    def kept_audio(self, call_id: str) -> KeptAudio | None:
        """Return the finished audio of the stream stored under exactly this id; None if there is none."""
        with self._transaction() as connection:
            return audio_rows.kept_of(connection, call_id)

    def audio_files(self, call_id: str | None = None) -> set[str]:
        """Return the names of all files of kept audio that have a key, or of those of one call."""
        with self._transaction() as connection:
            names = None if call_id is None else queries.piece_ids(connection, call_id)
            return audio_rows.files(connection, names)

    def audit(self, line: AuditLine) -> None:
        """Write a line of the audit log."""
        with self._transaction() as connection:
            audit_log.write(connection, line, self._now())

    def audited(self, limit: int = 100, call_id: str | None = None) -> list[AuditEntry]:
        """Return the latest lines of the audit log, newest first; of one call, if `call_id` is given."""
        with self._transaction() as connection:
            return audit_log.read(connection, limit, call_id)

    def delete(self, call_id: str, line: AuditLine | None = None) -> bool:
        """
        Delete a call with all its streams and its quarantined entries.  Returns whether anything was deleted.

        The id of a later stream deletes that stream alone.  Events of its event log that arrive later are not
        stored.  `line` is written to the audit log in the same transaction.  Raises LegalHoldError.
        """
        with self._transaction() as connection:
            if line is not None:
                audit_log.write(connection, line, self._now())
            names = {call_id, *queries.piece_ids(connection, call_id)}
            gone = deletion.delete_calls(connection, names)
        if gone:
            self.erase_traces()
        return gone

    def expire(self, retention: Retention, limit: int = 20) -> int:
        """
        Delete at most `limit` calls that have expired, with a line in the audit log for each.  Returns how many.

        An erasure must follow.
        """
        now = self._now()
        with self._transaction() as connection:
            names = expiry.expired(connection, retention, now, limit)
            for name in names:
                line = AuditLine("retention", parted(name)[0], "delete", name)
                audit_log.write(connection, line, now)
                deletion.delete_calls(connection, set(queries.piece_ids(connection, name)))
            if retention.days is not None:
                expiry.delete_quarantined(connection, now - retention.days * DAY_SECONDS)
        return len(names)

    def erase_traces(self) -> None:
        """Overwrite what deleted rows have left in the files of the database."""
        for _ in self.erasing():
            pass

    def erasing(self) -> Iterator[None]:
        """
        Do the same in steps; yields after each.  Does nothing if no row was deleted since the last time.

        Raises StoreUnavailableError.
        """
        with self._errors():
            yield from erasure.steps(self._engine)

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
        with self._errors(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Translate the errors of the database."""
        try:
            yield
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
