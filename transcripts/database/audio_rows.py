"""Kept audio: its parts, its finished file, and where it must be silent."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, and_, delete, exists, insert, select, update

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
    StaleAudio,
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
    spans = _redacted(connection, row.id)
    redactions = len(spans)
    if any(part.is_checked for part in parts):
        spans += _unchecked(connection, row.id)
    return UnfinishedAudio(
        row.id,
        row.call_id,
        len(row.roles),
        row.duration,
        tuple(StoredPart(part.part, part.key) for part in parts),
        tuple(spans),
        redactions,
    )


def _redacted(connection: Connection, call: int) -> list[Span]:
    query = select(redacted_spans.c.start, redacted_spans.c.end)
    found = connection.execute(query.where(redacted_spans.c.call == call))
    return [Span(one.start, one.end) for one in found]


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
    connection: Connection, one: UnfinishedAudio, kept: KeptAudio | None, now: float
) -> bool:
    """
    Store the finished file of a call, if there is one, and delete the keys of its parts.  `now`: Unix seconds.

    Returns False, and does nothing, if these are not the parts of the call any more.
    """
    query = select(audio_parts.c.part).where(audio_parts.c.call == one.call)
    if set(connection.execute(query).scalars()) != {part.name for part in one.parts}:
        return False
    connection.execute(delete(audio_parts).where(audio_parts.c.call == one.call))
    if kept is not None:
        is_stale = len(_redacted(connection, one.call)) != one.redactions
        values = _columns(kept, now, is_stale=is_stale)
        connection.execute(insert(kept_audio).values(values | {"call": one.call}))
    return True


def _columns(kept: KeptAudio, now: float, *, is_stale: bool) -> _Row:
    made = {"file": kept.file, "key": kept.key, "size": kept.size, "made_at": now}
    return made | {"is_stale": is_stale}


def mark_stale(connection: Connection, numbers: Collection[int]) -> None:
    """Note that data of these calls was redacted now; the numbers are those of the calls in the store."""
    if numbers:
        change = update(kept_audio).where(kept_audio.c.call.in_(numbers))
        connection.execute(change.values(is_stale=True))


def stale(connection: Connection, after: int, limit: int) -> list[StaleAudio]:
    """Return finished audio from before the last redaction of its call, numbered higher than `after`, in order."""
    query = (
        select(kept_audio, calls.c.call_id)
        .join(calls, calls.c.id == kept_audio.c.call)
        .where(kept_audio.c.is_stale, kept_audio.c.call > after)
        .order_by(kept_audio.c.call)
        .limit(limit)
    )
    return [
        StaleAudio(
            row.call,
            row.call_id,
            KeptAudio(row.file, row.key, row.size),
            tuple(_redacted(connection, row.call)),
        )
        for row in connection.execute(query).all()
    ]


def replace(connection: Connection, one: StaleAudio, kept: KeptAudio, now: float) -> bool:
    """Store a file in place of a stale one.  Returns False if the stale one is not stored any more."""
    is_stale = len(_redacted(connection, one.call)) != len(one.redacted)
    same = and_(kept_audio.c.call == one.call, kept_audio.c.file == one.kept.file)
    change = update(kept_audio).where(same).values(_columns(kept, now, is_stale=is_stale))
    return connection.execute(change).rowcount > 0


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
