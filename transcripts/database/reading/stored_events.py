"""The stored events of a call, from its rows, in the order of its event log."""

from itertools import count
from typing import Any

from sqlalchemy import Connection, RowMapping, func, select

from protocol.calls.call import Role
from protocol.events import (
    Account,
    AudioGap,
    CallEnded,
    CallStarted,
    ChannelTotals,
    Entry,
    Fault,
    Final,
    KeywordsApplied,
    LineWarning,
    LoggedEvent,
    SegmentDropped,
    SegmentFailed,
    SegmentId,
    Span,
    Timing,
)
from protocol.events.event_codec import entry_of

from ...transcript import Ending
from ..card_rows import card_of
from ..json_columns import redactions_of, words_of
from ..metadata_rows import metadata_of
from ..schema import calls, cards, gaps, keys_of, keyword_lists, line_warnings, segments

_Found = tuple[int | None, int, LoggedEvent]
"""Seq, if known; position; event."""

_LAST = 1 << 62


def entries(connection: Connection, call_id: str) -> list[Entry] | None:
    """
    Return the entries of a stream; None if it is not stored.

    Events that are not stored (DTMF, marks, speech starts) leave holes in the seqs.  Streams stored by a version
    that did not keep the seqs are numbered in order of time.
    """
    row = connection.execute(select(calls).where(calls.c.call_id == call_id)).mappings().first()
    if row is None:
        return None
    found = [
        *_ends(connection, row),
        *_segments(connection, row["id"]),
        *_others(connection, row["id"]),
    ]
    if all(seq is not None for seq, _, _ in found):
        ordered = sorted(found, key=lambda one: one[0] or 0)
        return [entry_of(event, seq) for seq, _, event in ordered]
    ordered = sorted(found, key=lambda one: one[1])
    return [entry_of(event, seq) for seq, (_, _, event) in zip(count(1), ordered, strict=False)]


def _ends(connection: Connection, row: RowMapping) -> list[_Found]:
    roles = tuple(Role(role) for role in row["roles"])
    pairs = metadata_of(connection, [row["id"]])[row["id"]]
    started = CallStarted(
        roles,
        row["language"],
        row["dialect"],
        row["started_at"],
        pairs,
        row["sample_rate"],
        row["encoding"],
    )
    found: list[_Found] = [(row["started_seq"], -1, started)] if row["dialect"] else []
    if row["ended_reason"]:
        totals = tuple(ChannelTotals(**one) for one in row["channels"])
        number = _count(connection, row["id"])
        ended = CallEnded(row["ended_reason"], row["duration"], number, totals)
        found.append((row["ended_seq"], _LAST, ended))
    return found


def _count(connection: Connection, call: int) -> int:
    query = select(func.count()).where(segments.c.id.between(*keys_of(call)))
    return connection.execute(query).scalar() or 0


def _segments(connection: Connection, call: int) -> list[_Found]:
    query = select(segments).where(segments.c.id.between(*keys_of(call)))
    rows = connection.execute(query).mappings()
    return [(row["seq"], row["end"], _terminal(row)) for row in rows]


def _terminal(row: RowMapping) -> LoggedEvent:
    segment, span = SegmentId(row["channel"], row["number"]), Span(row["start"], row["end"])
    if row["ending"] == Ending.FAILED:
        return SegmentFailed(segment, span, row["reason"])
    if row["ending"] == Ending.DROPPED:
        return SegmentDropped(segment, span, row["reason"])
    return Final(
        segment,
        span,
        words_of(row["words"]),
        row["language"],
        row["keywords_revision"],
        tuple(row["keywords_found"]),
        row["engine"],
        Timing(row["waited_ms"] or 0, row["engine_ms"] or 0),
        tuple(row["flags"]),
        redactions_of(row["redactions"]),
        words_of(row["lexical"]),
    )


def _others(connection: Connection, call: int) -> list[_Found]:
    def rows(table: Any) -> Any:  # noqa: ANN401  # a table and its rows
        return connection.execute(select(table).where(table.c.call == call)).mappings()

    found: list[_Found] = []
    for row in rows(gaps):
        span = Span(row["start"], row["end"])
        gap = AudioGap(row["channel"], span, row["reason"], Account(row["account"]))
        found.append((row["seq"], span.end, gap))
    for row in rows(line_warnings):
        said = {name: row[name] for name in ("channel", "check", "measured", "unit", "at")}
        found.append((row["seq"], row["at"], LineWarning(fault=Fault(row["fault"]), **said)))
    found += [
        (row["seq"], row["at"], card_of(row)) for row in rows(cards) if row["seq"] is not None
    ]
    for row in rows(keyword_lists):
        lists = KeywordsApplied(row["revision"], tuple(row["accepted"]), tuple(row["rejected"]))
        found.append((row["seq"], row["revision"], lists))
    return found
