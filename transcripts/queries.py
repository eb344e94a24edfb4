"""Read rows from the database as values."""

from typing import Any

from sqlalchemy import Connection, RowMapping, Select, select

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
    Word,
)

from .outbox import Arrival, Quarantined
from .pieces import number_of
from .schema import calls, gaps, keyword_lists, line_warnings, quarantine, segments, words
from .transcript import CallSummary, Ending, StoredSegment, Transcript


def latest_calls(connection: Connection, limit: int) -> list[CallSummary]:
    """Return at most `limit` calls, newest first."""
    query = select(calls).order_by(calls.c.started_at.desc(), calls.c.call_id).limit(limit)
    return [_summary(row) for row in _rows(connection, query)]


def transcript(connection: Connection, call_id: str) -> Transcript | None:
    """Return the transcript stored under exactly this id; None if there is none."""
    row = connection.execute(select(calls).where(calls.c.call_id == call_id)).mappings().first()
    if row is None:
        return None
    # Segments before words: a segment stored in between then adds unused words, not a segment without words.
    found = list(_rows(connection, select(segments).where(segments.c.call_id == call_id)))
    said = _words(connection, call_id)
    return Transcript.of(
        _summary(row),
        [_segment(one, said) for one in found],
        gaps=_gaps(connection, call_id),
        keyword_lists=_keyword_lists(connection, call_id),
        line_warnings=_line_warnings(connection, call_id),
    )


def piece_ids(connection: Connection, call_id: str) -> list[str]:
    """Return the ids of the stored streams of a call, in order; for the id of a later stream, that id."""
    later = calls.c.call_id.startswith(f"{call_id}~", autoescape=True)
    query = select(calls.c.call_id).where((calls.c.call_id == call_id) | later)
    return sorted(connection.execute(query).scalars(), key=number_of)


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


def _summary(row: RowMapping) -> CallSummary:
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
    )


def _segment(row: RowMapping, said: dict[SegmentId, list[Word]]) -> StoredSegment:
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
        timing=_timing(row),
    )


def _timing(row: RowMapping) -> Timing | None:
    """Only finals have a timing, except those stored with schema version 1."""
    if row["waited_ms"] is None:
        return None
    return Timing(row["waited_ms"], row["engine_ms"])


def _words(connection: Connection, call_id: str) -> dict[SegmentId, list[Word]]:
    query = select(words).where(words.c.call_id == call_id)
    query = query.order_by(words.c.channel, words.c.number, words.c.place)
    said: dict[SegmentId, list[Word]] = {}
    for row in _rows(connection, query):
        word = Word(row["text"], row["start"], row["end"], row["confidence"])
        said.setdefault(SegmentId(row["channel"], row["number"]), []).append(word)
    return said


def _gaps(connection: Connection, call_id: str) -> list[AudioGap]:
    query = select(gaps).where(gaps.c.call_id == call_id)
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


def _line_warnings(connection: Connection, call_id: str) -> list[LineWarning]:
    query = select(line_warnings).where(line_warnings.c.call_id == call_id)
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


def _keyword_lists(connection: Connection, call_id: str) -> list[KeywordsApplied]:
    query = select(keyword_lists).where(keyword_lists.c.call_id == call_id)
    query = query.order_by(keyword_lists.c.revision)
    return [
        KeywordsApplied(row["revision"], tuple(row["accepted"]), tuple(row["rejected"]))
        for row in _rows(connection, query)
    ]
