"""Kept audio: its parts, its finished file, and where it must be silent."""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, delete, exists, insert, select

from protocol.clock import CALL_RATE
from protocol.events import (
    DtmfPressed,
    Final,
    SegmentRevised,
    Span,
    TranscriptEvent,
    Withheld,
)

from ..kept_audio.values import (
    KeptAudio,
    StoredPart,
    UnfinishedAudio,
    finished_file,
    part_file,
)
from ..transcript import Ending
from .schema import audio_parts, calls, kept_audio, keys_of, redacted_spans, segments

_Row = dict[str, Any]


def redacted_spans_of(event: TranscriptEvent) -> list[_Row]:
    """Return rows, without call, for what is redacted in an event.  Words without times: the whole segment."""
    match event:
        case Final() | SegmentRevised(Final()):
            final = event.final if isinstance(event, SegmentRevised) else event
            return [
                _row(final.segment.channel, _span(one.start, one.end, final.span), one.kind)
                for one in final.redactions
            ]
        case DtmfPressed(channel, _, at, kind, end) if kind:
            return [_row(channel, Span(at, at if end is None else end), kind)]
        case _:
            return []


def _span(start: int | None, end: int | None, whole: Span) -> Span:
    return whole if start is None or end is None else Span(start, end)


def _row(channel: int, span: Span, kind: str) -> _Row:
    return {"channel": channel, "start": span.start, "end": span.end, "kind": kind}


def unfinished(connection: Connection, after: int, limit: int) -> list[UnfinishedAudio]:
    """Return ended calls with parts and without a finished file, numbered higher than `after`, in order."""
    query = (
        select(calls.c.id, calls.c.call_id, calls.c.roles, calls.c.duration)
        .where(
            calls.c.id > after,
            calls.c.ended_reason != "",
            exists().where(audio_parts.c.call == calls.c.id),
            ~exists().where(kept_audio.c.call == calls.c.id),
        )
        .order_by(calls.c.id)
        .limit(limit)
    )
    return [_unfinished(connection, row) for row in connection.execute(query).all()]


def _unfinished(connection: Connection, row: Any) -> UnfinishedAudio:  # noqa: ANN401  # a row
    query = select(audio_parts).where(audio_parts.c.call == row.id)
    parts = connection.execute(query.order_by(audio_parts.c.seq, audio_parts.c.part)).all()
    redacted = select(redacted_spans.c.start, redacted_spans.c.end)
    spans = [
        Span(one.start, one.end)
        for one in connection.execute(redacted.where(redacted_spans.c.call == row.id))
    ]
    if any(part.is_checked for part in parts):
        spans += _unchecked(connection, row.id)
    return UnfinishedAudio(
        row.id,
        row.call_id,
        len(row.roles),
        row.duration,
        tuple(StoredPart(part.part, part.key) for part in parts),
        tuple(spans),
    )


_UNCHECKED = frozenset({Withheld.REDACTION_FAILED.flag, Withheld.BACKGROUND.flag})
"""Flags of segments whose words were not checked for data that must not be shown."""

_ECHO = CALL_RATE
"""Samples between words and their echo, at most: twice the longest lag that counts as crosstalk."""


def _unchecked(connection: Connection, call: int) -> Iterator[Span]:
    """Yield the segments of which no words were checked; crosstalk near what is redacted repeats it."""
    redacted = list(
        connection.execute(
            select(redacted_spans.c.start, redacted_spans.c.end).where(
                redacted_spans.c.call == call
            )
        )
    )
    columns = segments.c.start, segments.c.end, segments.c.ending, segments.c.flags
    for row in connection.execute(select(*columns).where(segments.c.id.between(*keys_of(call)))):
        if row.ending != Ending.FINAL or _UNCHECKED.intersection(row.flags):
            yield Span(row.start, row.end)
        elif Withheld.CROSSTALK.flag in row.flags:
            near = Span(row.start - _ECHO, row.end + _ECHO)
            if any(near.shared(Span(one.start, one.end)) for one in redacted):
                yield Span(row.start, row.end)


def finish(
    connection: Connection, call: int, parts: Sequence[str], kept: KeptAudio | None, now: float
) -> bool:
    """
    Store the finished file of a call, if there is one, and delete the keys of its parts.  `now`: Unix seconds.

    Returns False, and does nothing, if these are not the parts of the call any more.
    """
    query = select(audio_parts.c.part).where(audio_parts.c.call == call)
    if set(connection.execute(query).scalars()) != set(parts):
        return False
    connection.execute(delete(audio_parts).where(audio_parts.c.call == call))
    if kept is not None:
        values = {"call": call, "file": kept.file, "key": kept.key, "size": kept.size}
        connection.execute(insert(kept_audio).values(values | {"made_at": now}))
    return True


def kept_of(connection: Connection, call_id: str) -> KeptAudio | None:
    """Return the finished audio of the stream with this id; None if there is none."""
    query = select(kept_audio).join(calls, calls.c.id == kept_audio.c.call)
    row = connection.execute(query.where(calls.c.call_id == call_id)).first()
    return KeptAudio(row.file, row.key, row.size) if row else None


def files(connection: Connection, names: Sequence[str] | None = None) -> set[str]:
    """Return the names of all files that have a key, or of those of the streams with these ids."""
    found = set[str]()
    for table, column, name_of in (
        (audio_parts, audio_parts.c.part, part_file),
        (kept_audio, kept_audio.c.file, finished_file),
    ):
        query = select(column)
        if names is not None:
            query = query.join(calls, calls.c.id == table.c.call).where(calls.c.call_id.in_(names))
        found |= {name_of(name) for name in connection.execute(query).scalars()}
    return found
