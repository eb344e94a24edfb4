"""Kept audio: its parts, its finished file, and where it must be silent."""

from typing import Any

from protocol.events import DtmfPressed, Final, SegmentRevised, Span, TranscriptEvent

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
