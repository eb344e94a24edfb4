"""Keys of a call's events: Redis writes each event at most once per key."""

from typing import assert_never

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
    LoggedEvent,
    MarkReached,
    SegmentDropped,
    SegmentFailed,
    SegmentRevised,
    SpeechStarted,
    UnreadEntry,
)


def name_of(event: LoggedEvent, marks: int) -> str:
    """
    Return the key of an event.  The key of a segment's terminal event is the segment id itself.

    `marks`: number of marks answered before.
    """
    match event:
        case CallStarted():
            return "started"
        case CallEnded():
            return "ended"
        case SpeechStarted(segment=segment):
            return f"speech:{segment}"
        case KeywordsApplied(revision=revision):
            return f"keywords:{revision}"
        case DtmfPressed(channel, digit, at):
            return f"dtmf:{channel}:{at}:{digit}"
        case AudioGap(channel, span):
            return f"gap:{channel}:{span.start}"
        case LineWarning(channel, fault, at=at):
            return f"line:{channel}:{fault}:{at}"
        case CallWarning(number):
            return f"warning:{number}"
        case LoadChanged(number):
            return f"load:{number}"
        case CardAdded(card_id):
            return f"card:{card_id}"
        case AudioKept(part):
            return f"audio:{part}"
        case MarkReached():
            return f"mark:{marks}"
        case SegmentRevised(final):
            return f"revised:{final.segment}:{len(final.redactions)}"
        case (
            Final(segment=segment)
            | SegmentFailed(segment=segment)
            | SegmentDropped(segment=segment)
        ):
            return str(segment)
        case _:
            assert_never(event)


def name_of_unread(entry: UnreadEntry) -> str:
    """Return the key of an event that this version cannot read: its segment if it ends one, else its place."""
    return str(entry.ends) if entry.ends else f"unread:{entry.seq}"
