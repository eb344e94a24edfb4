"""
Write a batch of events as rows, with a few statements for the whole batch.

Writing is idempotent: the first event for a key is kept, a repeated one changes nothing, and events may come in
any order.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from importlib import import_module
from itertools import islice
from typing import Any, TypeVar, assert_never

from sqlalchemy import Connection, Table, bindparam, case, select, update

from protocol.events import (
    AudioGap,
    AudioKept,
    CallEnded,
    CallStarted,
    CallWarning,
    CardAdded,
    DtmfPressed,
    Final,
    KeywordsApplied,
    LineWarning,
    LoadChanged,
    MarkReached,
    Partial,
    SegmentDropped,
    SegmentFailed,
    SegmentRevised,
    Span,
    SpeechStarted,
    Terminal,
    TranscriptEvent,
)

from ..outbox import Recorded
from ..transcript import Ending, number_of, root_of
from . import analysis_rows, audio_rows, search_index, whole_calls
from .call_rows import CallRow, CallRows, ended_row, started_row
from .card_rows import card_row
from .json_columns import said_columns
from .metadata_rows import metadata_rows, without_nul
from .schema import (
    audio_parts,
    call_metadata,
    calls,
    cards,
    found_keywords,
    gaps,
    keys_of,
    keyword_lists,
    line_warnings,
    redacted_spans,
    segment_key,
    segments,
)

_TRANSIENT = (DtmfPressed, Partial, SpeechStarted, MarkReached, LoadChanged, CallWarning)
"""Not stored.  DTMF may be card numbers and PINs."""

_AT_ONCE = 500
"""Most parameters of one `IN`."""

_Row = dict[str, Any]
_One = TypeVar("_One")


class ConflictError(Exception):
    """Different speech is already stored under the number of the segment, or the number is not possible."""


@dataclass(slots=True)
class _Rows:
    """The rows of a batch, by table.  Of rows with the same key, the first is kept."""

    segments: dict[int, tuple[_Row, CallRow]] = field(default_factory=dict)
    revised: list[tuple[Final, CallRow]] = field(default_factory=list)
    others: dict[str, tuple[Table, list[_Row]]] = field(default_factory=dict)
    started: dict[int, _Row] = field(default_factory=dict)
    late: dict[int, list[str]] = field(default_factory=dict)
    """Roles of calls of which segments may be stored already."""

    ended: dict[int, _Row] = field(default_factory=dict)
    roots: set[str] = field(default_factory=set)
    """Calls of which a stream has started or ended."""

    changed: set[str] = field(default_factory=set)
    """Calls of which an analysis is no longer true: by the id of their first stream."""

    def add(self, table: Table, row: _Row) -> None:
        self.others.setdefault(table.name, (table, []))[1].append(row)


def write(connection: Connection, batch: Sequence[Recorded], now: float) -> CallRows | None:
    """
    Write events, in the transaction of `connection`.  Returns the rows of their calls.  Raises ConflictError.

    `now`: Unix seconds, the start of calls whose `call.started` has not come yet.
    """
    stored = [one for one in batch if _is_stored(one.entry.event)]
    if not stored:
        return None
    call_rows = CallRows(connection, stored, now)
    rows = _Rows()
    for one in stored:
        if (call := call_rows.row_of(one)) is not None:
            _collect(rows, call, one)
    _write_calls(connection, rows)
    _write_segments(connection, rows)
    for final, call in rows.revised:
        _revise(connection, final, call)
    for table, found in rows.others.values():
        _insert_new(connection, table, found)
    _, redacted = rows.others.get(redacted_spans.name, (redacted_spans, []))
    audio_rows.mark_stale(connection, {row["call"] for row in redacted})
    if rows.changed:
        analysis_rows.forget(connection, rows.changed)
    return call_rows


def _is_stored(event: TranscriptEvent) -> bool:
    """Of redacted keys, only the place is stored."""
    return not isinstance(event, _TRANSIENT) or bool(audio_rows.redacted_spans_of(event))


def _collect(rows: _Rows, call: CallRow, one: Recorded) -> None:
    event, seq = one.entry.event, one.entry.seq
    for place in audio_rows.redacted_spans_of(event):
        rows.add(redacted_spans, place | {"call": call.id})
    match event:
        case CallStarted():
            rows.roots.add(root_of(call.call_id))
            _collect_start(rows, call, event, seq)
        case CallEnded():
            rows.roots.add(root_of(call.call_id))
            rows.ended.setdefault(call.id, ended_row(call, event, seq))
            if number_of(call.call_id) > 1:
                rows.changed.add(root_of(call.call_id))
        case Final() | SegmentFailed() | SegmentDropped():
            _collect_segment(rows, call, event, seq)
        case SegmentRevised(final):
            _collect_segment(rows, call, final, None)
            rows.revised.append((final, call))
            rows.changed.add(root_of(call.call_id))
        case AudioGap(channel, span, reason, account):
            row = {"channel": channel, "start": span.start, "end": span.end, "reason": reason}
            rows.add(gaps, row | {"call": call.id, "account": account, "seq": seq})
        case LineWarning():
            rows.add(line_warnings, asdict(event) | {"call": call.id, "seq": seq})
        case CardAdded():
            rows.add(cards, card_row(event) | {"call": call.id, "seq": seq})
        case AudioKept():
            rows.add(audio_parts, asdict(event) | {"call": call.id, "seq": seq})
        case KeywordsApplied(revision, accepted, rejected):
            lists = {"accepted": list(accepted), "rejected": list(rejected)}
            rows.add(keyword_lists, lists | {"call": call.id, "revision": revision, "seq": seq})
        case SpeechStarted() | Partial() | DtmfPressed() | MarkReached() | LoadChanged():
            pass
        case CallWarning():
            pass
        case _ as never:
            assert_never(never)


def _collect_start(rows: _Rows, call: CallRow, event: CallStarted, seq: int | None) -> None:
    rows.started.setdefault(call.id, started_row(call, event, seq))
    if not call.is_new:
        rows.late.setdefault(call.id, list(event.roles))
    for row in metadata_rows(call.id, call.tenant, event.metadata):
        rows.add(call_metadata, row)


def _collect_segment(rows: _Rows, call: CallRow, terminal: Terminal, seq: int | None) -> None:
    segment = terminal.segment
    key = segment_key(call.id, segment.channel, segment.number)
    if key is None:
        raise ConflictError
    if key in rows.segments:
        before = rows.segments[key][0]
        if Span(before["start"], before["end"]) != terminal.span:
            raise ConflictError
        return
    row = {"id": key, "channel": segment.channel, "number": segment.number}
    rows.segments[key] = (row | {"seq": seq} | _segment_values(terminal), call)


def _segment_values(terminal: Terminal) -> _Row:
    values: _Row = said_columns(terminal if isinstance(terminal, Final) else None) | {
        "start": terminal.span.start,
        "end": terminal.span.end,
        "ending": Ending.DROPPED if isinstance(terminal, SegmentDropped) else Ending.FAILED,
        "reason": "",
        "language": "",
        "keywords_revision": 0,
        "keywords_found": [],
        "engine": "",
        "flags": [],
        "waited_ms": None,
        "engine_ms": None,
    }
    if not isinstance(terminal, Final):
        return values | {"reason": terminal.reason}
    return values | {
        "ending": Ending.FINAL,
        "language": terminal.language,
        "keywords_revision": terminal.keywords_revision,
        "keywords_found": list(terminal.keywords_found),
        "engine": terminal.engine,
        "flags": list(terminal.flags),
        "waited_ms": terminal.timing.waited_ms,
        "engine_ms": terminal.timing.engine_ms,
    }


def _write_calls(connection: Connection, rows: _Rows) -> None:
    """Fill in what `call.started` and `call.ended` say, unless a former event has said it."""
    same = calls.c.id == bindparam("of")
    for found, unsaid in ((rows.started, calls.c.dialect), (rows.ended, calls.c.ended_reason)):
        if found:
            some = next(iter(found.values()))
            values: _Row = {name: bindparam(name) for name in some if name != "of"}
            if "agent" in values:  # a name that the site has set stays
                values["agent"] = case(
                    (calls.c.agent == "", bindparam("agent")), else_=calls.c.agent
                )
            connection.execute(
                update(calls).where(same, unsaid == "").values(values), list(found.values())
            )
    if rows.roots:
        whole_calls.update_calls(connection, rows.roots)
    for call, roles in rows.late.items():
        for channel, role in enumerate(roles):
            late = (
                segments.c.id.between(*keys_of(call)),
                segments.c.channel == channel,
                segments.c.role == "",
            )
            connection.execute(update(segments).where(*late).values(role=role))


def _write_segments(connection: Connection, rows: _Rows) -> None:
    """
    Write the segments that are not stored yet, and their terms.

    An event repeated after a loss may have other words, but has the same span.  A different span is different
    speech: the call id has been used twice, and ConflictError is raised.
    """
    there = _spans(connection, rows.segments)
    for key, span in there.items():
        row = rows.segments[key][0]
        if Span(row["start"], row["end"]) != span:
            raise ConflictError
    new = [one for key, one in rows.segments.items() if key not in there]
    if not new:
        return
    for row, call in new:
        row["role"] = call.role(row["channel"])
    connection.execute(segments.insert(), [row for row, _ in new])
    search_index.insert(connection, [(row["id"], call.tenant, row["text"]) for row, call in new])
    for row, call in new:
        for word in row["keywords_found"]:
            keyword = without_nul(word.casefold())
            rows.add(found_keywords, {"call": call.id, "tenant": call.tenant, "keyword": keyword})


def _revise(connection: Connection, final: Final, call: CallRow) -> None:
    """Replace the words of a segment and its terms.  Of two revisions, the one that shows less stays."""
    key = segment_key(call.id, final.segment.channel, final.segment.number)
    assert key is not None  # `_collect_segment` has refused it
    same = segments.c.id == key
    if len(connection.execute(select(segments.c.words).where(same)).scalar_one()) < len(
        final.words
    ):
        return
    values = _segment_values(final)
    changed = ("text", "words", "keywords_found", "flags", "lexical", "redactions")
    connection.execute(update(segments).where(same).values({one: values[one] for one in changed}))
    search_index.replace(connection, key, call.tenant, final.text)


def _spans(connection: Connection, keys: Iterable[int]) -> dict[int, Span]:
    query = select(segments.c.id, segments.c.start, segments.c.end)
    return {
        row.id: Span(row.start, row.end)
        for some in in_parts(keys)
        for row in connection.execute(query.where(segments.c.id.in_(some)))
    }


def _insert_new(connection: Connection, table: Table, rows: list[_Row]) -> None:
    """Insert rows; those whose key exists are left out."""
    # Only the dialect in use is imported: commands that read must start quickly.
    make: Callable[[Table], Any] = import_module(
        f"sqlalchemy.dialects.{connection.dialect.name}"
    ).insert
    connection.execute(make(table).on_conflict_do_nothing(), rows)


def in_parts(many: Iterable[_One], size: int = _AT_ONCE) -> Iterator[list[_One]]:
    """Split into lists of at most `size`."""
    rest = iter(many)
    while some := list(islice(rest, size)):
        yield some
