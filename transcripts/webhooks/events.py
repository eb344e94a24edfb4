"""The events that webhooks can get, and which of them an entry of an event log causes.  Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, get_args
from zlib import crc32

from protocol.events import CallEnded, CallStarted, Entry, Final, SegmentId, SegmentRevised


class EventKind(StrEnum):
    """What has happened.  The value is the `type` of the request."""

    CALL_STARTED = "call.started"
    CALL_FINAL = "call.final"
    CALL_REVISED = "call.revised"
    CALL_ENDED = "call.ended"
    CALL_STORED = "call.stored"
    CALL_SUMMARISED = "call.summarised"
    KEYWORD_HEARD = "keyword.heard"
    RULE_RAISED = "rule.raised"
    TEST = "webhook.test"
    """Asked for by the API, to try an endpoint.  It belongs to no call."""


Subscribable = Literal[
    "call.started",
    "call.final",
    "call.revised",
    "call.ended",
    "call.stored",
    "call.summarised",
    "keyword.heard",
    "rule.raised",
]
"""The values of the events that an endpoint can ask for."""

SUBSCRIBABLE: tuple[Subscribable, ...] = get_args(Subscribable)


@dataclass(frozen=True, slots=True)
class WebhookEvent:
    """
    Something that has happened in a call.

    It contains no words of the call: what the log and the store say is read when the request is sent, so that a
    request never says more than the store does at this time.
    """

    kind: EventKind
    key: str = ""
    """Tells events of this kind in a call apart, and identifies them: the same key is the same event."""

    segment: SegmentId | None = None
    seq: int | None = None
    data: Mapping[str, object] = field(default_factory=dict)
    """Further fields of `data` of the request."""


def events_of(entry: Entry) -> list[WebhookEvent]:
    """Return the events that an entry of an event log causes."""
    match entry.event:
        case CallStarted():
            return [WebhookEvent(EventKind.CALL_STARTED, seq=entry.seq)]
        case Final(segment, words=words, keywords_found=found):
            kinds = [EventKind.CALL_FINAL] if words else []
            kinds += [EventKind.KEYWORD_HEARD] if found else []
            return [WebhookEvent(kind, str(segment), segment, entry.seq) for kind in kinds]
        case SegmentRevised(final):
            key = f"{final.segment}:{len(final.redactions)}{_voices_key(final)}"
            return [WebhookEvent(EventKind.CALL_REVISED, key, final.segment, entry.seq)]
        case CallEnded(segments=number):
            data = {"segments": number}
            kinds = [EventKind.CALL_ENDED, EventKind.CALL_STORED]
            return [WebhookEvent(kind, seq=entry.seq, data=data) for kind in kinds]
        case _:
            return []


def _voices_key(final: Final) -> str:
    """Tells revisions of the speakers of a final apart; empty if they are not known."""
    voices = [(word.speaker, word.role) for word in final.words]
    return (
        f":{crc32(repr(voices).encode()):08x}"
        if any(speaker is not None for speaker, _ in voices)
        else ""
    )
