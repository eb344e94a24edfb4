"""
Write events as rows.

Writing is idempotent: the first event for a key is kept, a repeated one changes nothing, and events may come in
any order.
"""

from dataclasses import asdict
from typing import Any, assert_never

from sqlalchemy import Column, ColumnElement, Connection, Row, Table, insert, select, update

from protocol.events import (
    AudioGap,
    CallEnded,
    CallStarted,
    CallWarning,
    DtmfPressed,
    Final,
    KeywordsApplied,
    LineWarning,
    LoadChanged,
    MarkReached,
    Partial,
    SegmentDropped,
    SegmentFailed,
    Span,
    SpeechStarted,
    Terminal,
)

from .outbox import Recorded
from .pieces import number_of
from .schema import calls, gaps, keyword_lists, line_warnings, segments, words
from .transcript import Ending

_Key = dict[str, Any]


class ConflictError(Exception):
    """Different speech is already stored under the number of the segment."""


def write(connection: Connection, one: Recorded) -> None:
    """Write one event, in the transaction of `connection`.  Raises ConflictError."""
    event = one.entry.event
    if isinstance(
        event, DtmfPressed | Partial | SpeechStarted | MarkReached | LoadChanged | CallWarning
    ):
        return  # transient; DTMF may be card numbers and PINs, which are never stored
    call_id = _row_of(connection, one)
    match event:
        case CallStarted() as started:
            _call_started(connection, call_id, started)
        case CallEnded() as ended:
            _call_ended(connection, call_id, ended)
        case Final() | SegmentFailed() | SegmentDropped() as terminal:
            _segment_ended(connection, call_id, terminal)
        case AudioGap() as gap:
            _gap(connection, call_id, gap)
        case LineWarning() as warning:
            _line_warning(connection, call_id, warning)
        case KeywordsApplied() as applied:
            _keywords_applied(connection, call_id, applied)
        case _ as never:
            assert_never(never)


def _call_started(connection: Connection, call_id: str, started: CallStarted) -> None:
    values = {
        "roles": list(started.roles),
        "language": started.language,
        "dialect": started.dialect,
        "started_at": started.started_at,
    }
    unsaid = calls.c.dialect == ""
    connection.execute(update(calls).where(calls.c.call_id == call_id, unsaid).values(values))


def _call_ended(connection: Connection, call_id: str, ended: CallEnded) -> None:
    values = {
        "ended_reason": ended.reason,
        "duration": ended.duration,
        "channels": [asdict(totals) for totals in ended.channels],
    }
    unsaid = calls.c.ended_reason == ""
    connection.execute(update(calls).where(calls.c.call_id == call_id, unsaid).values(values))


def _segment_ended(connection: Connection, call_id: str, terminal: Terminal) -> None:
    """
    Keep the first terminal event of a segment.

    An event repeated after a loss may have other words, but has the same span.  A different span is different
    speech: the call id has been used twice, and ConflictError is raised.
    """
    segment = terminal.segment
    key: _Key = {"call_id": call_id, "channel": segment.channel, "number": segment.number}
    if found := _find(connection, segments, key, segments.c.start, segments.c.end):
        if Span(found[0], found[1]) != terminal.span:
            raise ConflictError
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
        "waited_ms": terminal.timing.waited_ms,
        "engine_ms": terminal.timing.engine_ms,
    }


def _gap(connection: Connection, call_id: str, gap: AudioGap) -> None:
    key: _Key = {"call_id": call_id, "channel": gap.channel, "start": gap.span.start}
    values = {"end": gap.span.end, "reason": gap.reason, "account": gap.account}
    _add(connection, gaps, key, values)


def _line_warning(connection: Connection, call_id: str, warning: LineWarning) -> None:
    place = {"channel": warning.channel, "fault": warning.fault.value, "at": warning.at}
    found = {"check": warning.check, "measured": warning.measured, "unit": warning.unit}
    _add(connection, line_warnings, {"call_id": call_id} | place, found)


def _keywords_applied(connection: Connection, call_id: str, applied: KeywordsApplied) -> None:
    key: _Key = {"call_id": call_id, "revision": applied.revision}
    lists = {"accepted": list(applied.accepted), "rejected": list(applied.rejected)}
    _add(connection, keyword_lists, key, lists)


def _row_of(connection: Connection, one: Recorded) -> str:
    """
    Return the id under which the call is stored, and create its row if `call.started` has not come yet.

    If an earlier call had the same id, the call is stored as `<id>~2`, `<id>~3` and so on.
    """
    key: _Key = {"call_id": one.call_id}
    found = _find(connection, calls, key, calls.c.log, calls.c.ended_reason)
    if found is None:
        return _new_row(connection, one.call_id, one.log)
    if one.log in ("", found.log):
        return one.call_id
    if (
        found.log == "" and found.ended_reason == ""
    ):  # started by a version that did not write log ids
        connection.execute(update(calls).where(calls.c.call_id == one.call_id).values(log=one.log))
        return one.call_id
    again = calls.c.call_id.startswith(f"{one.call_id}~", autoescape=True)
    rows = connection.execute(select(calls.c.call_id, calls.c.log).where(again)).all()
    for row in rows:
        if row.log == one.log:
            return str(row.call_id)
    number = 1 + max((number_of(row.call_id) for row in rows), default=1)
    return _new_row(connection, f"{one.call_id}~{number}", one.log)


def _new_row(connection: Connection, call_id: str, log: str) -> str:
    blank = {"roles": [], "language": "", "dialect": "", "started_at": 0.0}
    connection.execute(insert(calls).values(call_id=call_id, log=log, **blank))
    return call_id


def _add(connection: Connection, table: Table, key: _Key, values: dict[str, Any]) -> None:
    if not _find(connection, table, key, table.c.call_id):
        connection.execute(insert(table).values(**key, **values))


def _find(
    connection: Connection, table: Table, key: _Key, *columns: Column[Any]
) -> Row[*tuple[Any, ...]] | None:
    same: list[ColumnElement[bool]] = [table.c[name] == value for name, value in key.items()]
    return connection.execute(select(*columns).where(*same)).first()
