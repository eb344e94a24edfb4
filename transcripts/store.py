"""
Calls, segments and words in a database.

Recording is idempotent: the same event twice changes nothing, and events may come in any order.
SQLite by default, in WAL mode with full synchronisation: a power cut loses nothing that was committed
(measured; NORMAL lost the last hundred commits).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from sqlalchemy import Connection, Engine, create_engine, delete, event, insert, select, update
from sqlalchemy.engine import make_url

from protocol.events import (
    CallEnded,
    CallStarted,
    ChannelTotals,
    Entry,
    Final,
    SegmentDropped,
    SegmentFailed,
    SegmentId,
    Span,
    Terminal,
    Word,
)

from .schema import VERSION, calls, metadata, schema_version, segments, words
from .transcript import CallSummary, Ending, StoredSegment, Transcript


class StoreError(Exception):
    """The database cannot be used as it is; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """One entry of a call's log, to be stored."""

    call_id: str
    entry: Entry


class Store:
    """What was said, for as long as it is kept.  Blocks: call it off the event loop, from one thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @classmethod
    def open(cls, url: str) -> Self:
        """A store, made if it is not there.  StoreError when it is newer than this program."""
        place = make_url(url)
        if place.get_backend_name() == "sqlite" and place.database:
            Path(place.database).parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(place)
        if place.get_backend_name() == "sqlite":
            event.listen(engine, "connect", _configure_sqlite)
        metadata.create_all(engine)
        with engine.begin() as connection:
            _check_version(connection)
        return cls(engine)

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    def record(self, batch: Sequence[Recorded]) -> None:
        """Store a batch in one transaction."""
        with self._engine.begin() as connection:
            for one in batch:
                _record(connection, one.call_id, one.entry)

    def calls(self, limit: int = 50) -> list[CallSummary]:
        """The latest calls, newest first."""
        query = select(calls).order_by(calls.c.started_at.desc()).limit(limit)
        with self._engine.connect() as connection:
            return [_summary(row) for row in connection.execute(query).mappings()]

    def transcript(self, call_id: str) -> Transcript | None:
        """A call with all that was said; None when it is not known."""
        with self._engine.connect() as connection:
            row = (
                connection.execute(select(calls).where(calls.c.call_id == call_id))
                .mappings()
                .first()
            )
            if row is None:
                return None
            said = _words(connection, call_id)
            query = select(segments).where(segments.c.call_id == call_id)
            query = query.order_by(segments.c.start, segments.c.channel)
            stored = [_segment(one, said) for one in connection.execute(query).mappings()]
            return Transcript(_summary(row), tuple(stored))

    def delete(self, call_id: str) -> bool:
        """Forget a call; whether it was known."""
        with self._engine.begin() as connection:
            for table in (words, segments):
                connection.execute(delete(table).where(table.c.call_id == call_id))
            return connection.execute(delete(calls).where(calls.c.call_id == call_id)).rowcount > 0


def _configure_sqlite(connection: Any, _record: object) -> None:  # noqa: ANN401  # any DBAPI's connection
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "busy_timeout=5000",
        "foreign_keys=ON",
        "secure_delete=ON",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _check_version(connection: Connection) -> None:
    found = connection.execute(select(schema_version.c.version)).scalar()
    if found is None:
        connection.execute(insert(schema_version).values(version=VERSION))
    elif found > VERSION:
        raise StoreError(
            f"the store has schema {found}, this program knows {VERSION}: update Trunkline"
        )


def _record(connection: Connection, call_id: str, entry: Entry) -> None:
    match entry.event:
        case CallStarted() as started:
            _call_started(connection, call_id, started)
        case CallEnded() as ended:
            _call_ended(connection, call_id, ended)
        case Final() | SegmentFailed() | SegmentDropped() as terminal:
            _segment_ended(connection, call_id, terminal)
        case _:  # what is of the moment is not kept
            pass


def _call_started(connection: Connection, call_id: str, started: CallStarted) -> None:
    _ensure_call(connection, call_id)
    values = {
        "roles": list(started.roles),
        "language": started.language,
        "dialect": started.dialect,
        "started_at": started.started_at,
    }
    connection.execute(update(calls).where(calls.c.call_id == call_id).values(values))


def _call_ended(connection: Connection, call_id: str, ended: CallEnded) -> None:
    _ensure_call(connection, call_id)
    values = {
        "ended_reason": ended.reason,
        "duration": ended.duration,
        "channels": [asdict(totals) for totals in ended.channels],
    }
    connection.execute(update(calls).where(calls.c.call_id == call_id).values(values))


def _ensure_call(connection: Connection, call_id: str) -> None:
    """A row to hang things on, also when `call.started` comes later."""
    known = connection.execute(select(calls.c.call_id).where(calls.c.call_id == call_id)).first()
    if known is None:
        blank = {"roles": [], "language": "", "dialect": "", "started_at": 0.0}
        connection.execute(insert(calls).values(call_id=call_id, **blank))


def _segment_ended(connection: Connection, call_id: str, terminal: Terminal) -> None:
    """The first terminal event of a segment is kept; the log holds no second one."""
    _ensure_call(connection, call_id)
    key = {
        "call_id": call_id,
        "channel": terminal.segment.channel,
        "number": terminal.segment.number,
    }
    same = [segments.c[name] == value for name, value in key.items()]
    if connection.execute(select(segments.c.number).where(*same)).first():
        return
    connection.execute(insert(segments).values(**key, **_segment_values(terminal)))
    if isinstance(terminal, Final) and terminal.words:
        rows = [key | {"place": place} | asdict(word) for place, word in enumerate(terminal.words)]
        connection.execute(insert(words), rows)


def _segment_values(terminal: Terminal) -> dict[str, Any]:
    values: dict[str, Any] = {
        "start": terminal.span.start,
        "end": terminal.span.end,
        "ending": Ending.DROPPED if isinstance(terminal, SegmentDropped) else Ending.FAILED,
        "text": "",
        "reason": "",
        "language": "",
        "keywords_revision": 0,
        "keywords_found": [],
        "engine": "",
        "flags": [],
    }
    if not isinstance(terminal, Final):
        return values | {"reason": terminal.reason}
    return values | {
        "ending": Ending.FINAL,
        "text": terminal.text,
        "language": terminal.language,
        "keywords_revision": terminal.keywords_revision,
        "keywords_found": list(terminal.keywords_found),
        "engine": terminal.engine,
        "flags": list(terminal.flags),
    }


def _summary(row: Any) -> CallSummary:  # noqa: ANN401  # a row of any table
    return CallSummary(
        call_id=row["call_id"],
        roles=tuple(row["roles"]),
        language=row["language"],
        dialect=row["dialect"],
        started_at=row["started_at"],
        ended_reason=row["ended_reason"],
        duration=row["duration"],
        channels=tuple(ChannelTotals(**totals) for totals in row["channels"]),
    )


def _words(connection: Connection, call_id: str) -> dict[SegmentId, list[Word]]:
    query = select(words).where(words.c.call_id == call_id)
    query = query.order_by(words.c.channel, words.c.number, words.c.place)
    said: dict[SegmentId, list[Word]] = {}
    for row in connection.execute(query).mappings():
        word = Word(row["text"], row["start"], row["end"], row["confidence"])
        said.setdefault(SegmentId(row["channel"], row["number"]), []).append(word)
    return said


def _segment(row: Any, said: dict[SegmentId, list[Word]]) -> StoredSegment:  # noqa: ANN401  # a row
    segment = SegmentId(row["channel"], row["number"])
    return StoredSegment(
        segment=segment,
        span=Span(row["start"], row["end"]),
        ending=Ending(row["ending"]),
        words=tuple(said.get(segment, ())),
        reason=row["reason"],
        language=row["language"],
        keywords_revision=row["keywords_revision"],
        keywords_found=tuple(row["keywords_found"]),
        engine=row["engine"],
        flags=tuple(row["flags"]),
    )
