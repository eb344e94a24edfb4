"""Read rows from the database as values."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, select

from protocol.clock import CALL_RATE
from protocol.events import (
    Account,
    AudioGap,
    ChannelTotals,
    Fault,
    KeywordsApplied,
    LineWarning,
    SegmentId,
    Span,
    Timing,
)

from ...outbox import Arrival, Quarantined
from ...retention import DAY_SECONDS
from ...transcript import (
    CallSummary,
    Ending,
    StoredSegment,
    Transcript,
    number_of,
    root_of,
)
from ..json_columns import redactions_of, words_of
from ..metadata_rows import metadata_of
from ..schema import calls, gaps, keys_of, keyword_lists, line_warnings, quarantine, segments, tags


def latest_calls(connection: Connection, limit: int) -> list[CallSummary]:
    """Return at most `limit` calls, newest first."""
    query = select(calls).order_by(calls.c.started_at.desc(), calls.c.id.desc()).limit(limit)
    return [_summary(row) for row in _rows(connection, query)]


def summaries(
    connection: Connection, wanted: Sequence[int] | Sequence[str], *, by_id: bool = True
) -> dict[int, CallSummary]:
    """
    Return calls by number; `wanted`: their numbers, or their call ids if not `by_id`.

    Duration and end are those of the whole call.
    """
    column: ColumnElement[Any] = calls.c.id if by_id else calls.c.call_id
    rows = _rows(connection, select(calls).where(column.in_(wanted)))
    tagged: dict[int, list[str]] = {row["id"]: [] for row in rows}
    query = select(tags).where(tags.c.call.in_(list(tagged))).order_by(tags.c.tag)
    for row in _rows(connection, query):
        tagged[row["call"]].append(row["tag"])
    pairs = metadata_of(connection, list(tagged))
    return {
        row["id"]: replace(
            _summary(row, tuple(tagged[row["id"]]), pairs[row["id"]]),
            duration=row["whole_duration"],
            ended_reason=row["whole_ended_reason"],
        )
        for row in rows
    }


def transcript(connection: Connection, call_id: str) -> Transcript | None:
    """Return the transcript stored under exactly this id; None if there is none."""
    row = connection.execute(select(calls).where(calls.c.call_id == call_id)).mappings().first()
    if row is None:
        return None
    first, last = keys_of(row["id"])
    found = _rows(connection, select(segments).where(segments.c.id.between(first, last)))
    return Transcript.of(
        _summary(
            row, _tags(connection, row["id"]), metadata_of(connection, [row["id"]])[row["id"]]
        ),
        map(_segment, found),
        gaps=_gaps(connection, row["id"]),
        keyword_lists=_keyword_lists(connection, row["id"]),
        line_warnings=_line_warnings(connection, row["id"]),
    )


def piece_ids(connection: Connection, call_id: str) -> list[str]:
    """Return the ids of the stored streams of a call, in order; for the id of a later stream, that id."""
    column = calls.c.root if root_of(call_id) == call_id else calls.c.call_id
    query = select(calls.c.call_id).where(column == call_id)
    return sorted(connection.execute(query).scalars(), key=number_of)


def ended_since(connection: Connection, since: float, limit: int) -> list[str]:
    """Return ids of streams that have ended since `since` (Unix seconds), the oldest first, at most `limit`."""
    ended_at = calls.c.started_at + calls.c.duration / float(CALL_RATE)
    lately = (calls.c.started_at > since - DAY_SECONDS, calls.c.ended_reason != "")
    query = select(calls.c.call_id).where(*lately, ended_at >= since)
    return list(connection.execute(query.order_by(calls.c.started_at).limit(limit)).scalars())


def last_ending(connection: Connection, call_id: str) -> str | None:
    """Return why the last stream of a call ended, empty while it goes on; None if the call is not stored."""
    column = calls.c.root if root_of(call_id) == call_id else calls.c.call_id
    query = select(calls.c.ended_reason).where(column == call_id)
    order = calls.c.started_at.desc(), calls.c.id.desc()
    return connection.execute(query.order_by(*order).limit(1)).scalar()


def quarantined(connection: Connection) -> list[Quarantined]:
    """Return all quarantined entries, nearly in the order in which they were written to the outbox."""
    query = select(quarantine).order_by(quarantine.c.outbox, quarantine.c.entry_id)
    return [
        Quarantined(
            Arrival(
                row["outbox"],
                row["entry_id"],
                row["call_id"],
                row["seq"],
                row["payload"],
                row["log"],
            ),
            row["reason"],
        )
        for row in _rows(connection, query)
    ]


def _rows(connection: Connection, query: Select[Any]) -> list[RowMapping]:
    return list(connection.execute(query).mappings())


def _summary(
    row: RowMapping, tagged: tuple[str, ...] = (), pairs: tuple[tuple[str, str], ...] = ()
) -> CallSummary:
    return CallSummary(
        call_id=row["call_id"],
        roles=tuple(row["roles"]),
        language=row["language"],
        dialect=row["dialect"],
        started_at=row["started_at"],
        ended_reason=row["ended_reason"],
        duration=row["duration"],
        channels=tuple(ChannelTotals(**totals) for totals in row["channels"]),
        tenant=row["tenant"],
        agent=row["agent"],
        notes=row["notes"],
        tags=tagged,
        legal_hold=row["legal_hold"],
        metadata=pairs,
        sample_rate=row["sample_rate"],
        encoding=row["encoding"],
    )


def _tags(connection: Connection, call: int) -> tuple[str, ...]:
    query = select(tags.c.tag).where(tags.c.call == call).order_by(tags.c.tag)
    return tuple(connection.execute(query).scalars())


def _segment(row: RowMapping) -> StoredSegment:
    return StoredSegment(
        segment=SegmentId(row["channel"], row["number"]),
        span=Span(row["start"], row["end"]),
        ending=Ending(row["ending"]),
        words=words_of(row["words"]),
        reason=row["reason"],
        language=row["language"],
        keywords_revision=row["keywords_revision"],
        keywords_found=tuple(row["keywords_found"]),
        engine=row["engine"],
        flags=tuple(row["flags"]),
        timing=_timing(row),
        lexical=words_of(row["lexical"]),
        redactions=redactions_of(row["redactions"]),
    )


def _timing(row: RowMapping) -> Timing | None:
    """Only finals have a timing, except those stored with schema version 1."""
    if row["waited_ms"] is None:
        return None
    return Timing(row["waited_ms"], row["engine_ms"])


def _gaps(connection: Connection, call: int) -> list[AudioGap]:
    query = select(gaps).where(gaps.c.call == call)
    query = query.order_by(gaps.c.start, gaps.c.channel)
    return [
        AudioGap(
            row["channel"],
            Span(row["start"], row["end"]),
            row["reason"],
            Account(row["account"]),
        )
        for row in _rows(connection, query)
    ]


def _line_warnings(connection: Connection, call: int) -> list[LineWarning]:
    query = select(line_warnings).where(line_warnings.c.call == call)
    query = query.order_by(line_warnings.c.at, line_warnings.c.channel, line_warnings.c.fault)
    return [
        LineWarning(
            row["channel"],
            Fault(row["fault"]),
            row["check"],
            row["measured"],
            row["unit"],
            row["at"],
        )
        for row in _rows(connection, query)
    ]


def _keyword_lists(connection: Connection, call: int) -> list[KeywordsApplied]:
    query = select(keyword_lists).where(keyword_lists.c.call == call)
    query = query.order_by(keyword_lists.c.revision)
    return [
        KeywordsApplied(row["revision"], tuple(row["accepted"]), tuple(row["rejected"]))
        for row in _rows(connection, query)
    ]
