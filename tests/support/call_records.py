"""Builders for calls to store."""

from redis.typing import EncodableT, FieldT

from protocol.calls.call import Role
from protocol.events import (
    AudioGap,
    CallEnded,
    CallStarted,
    ChannelTotals,
    Final,
    KeywordsApplied,
    LoggedEvent,
    SegmentDropped,
    SegmentFailed,
    SegmentId,
    Span,
    Timing,
    Word,
)
from protocol.events.event_codec import encode_event, entry_of
from transcripts.outbox import Recorded
from transcripts.transcript import CallSummary, Ending, StoredSegment, Transcript

SECOND = 8_000

HUGE = 2**63
"""A position that MessagePack can carry and no database can hold."""


def started(at: float = 1_700_000_000.0) -> CallStarted:
    return CallStarted((Role.AGENT, Role.CUSTOMER), "en", "twilio", at)


def ended(reason: str = "hangup", duration: int = 60 * SECOND) -> CallEnded:
    totals = ChannelTotals(transcribed=40 * SECOND, silence=19 * SECOND, lost_upstream=SECOND)
    return CallEnded(reason, duration, 5, (totals, ChannelTotals(silence=60 * SECOND)))


def final(text: str, *, channel: int = 0, number: int = 0, start: int | None = None) -> Final:
    """A second of speech; its first word has a time and a confidence."""
    begin = number * 2 * SECOND if start is None else start
    first, *others = text.split(" ")
    words = (Word(first, begin, begin + 800, 0.5), *(Word(other) for other in others))
    return Final(
        segment=SegmentId(channel, number),
        span=Span(begin, begin + SECOND),
        words=words,
        language="en",
        keywords_revision=1,
        keywords_found=("Acme",) if "Acme" in text else (),
        engine="moonshine-base-en/int8",
        timing=Timing(waited_ms=12, engine_ms=340),
        flags=("loop_cut",),
    )


CALL: list[LoggedEvent] = [
    started(),
    KeywordsApplied(0, ("Acme",), ("<|x|>: only letters",)),
    final("thank you for calling Acme"),
    final("hello", channel=1, start=SECOND // 2),
    AudioGap(1, Span(3 * SECOND, 4 * SECOND), "frames missing"),
    SegmentFailed(SegmentId(1, 1), Span(5 * SECOND, 6 * SECOND), "the engine gave up"),
    SegmentDropped(SegmentId(0, 1), Span(7 * SECOND, 8 * SECOND), "overload"),
    KeywordsApplied(1, ("Acme", "Orvanta"), ()),
    final("goodbye", number=2, start=9 * SECOND),
    ended(),
]
"""A whole call with two people in it, and everything that may befall it."""


def recorded(call_id: str, *events: LoggedEvent) -> list[Recorded]:
    """Entries of a call's log, from seq 1."""
    return [Recorded(call_id, entry_of(event, seq)) for seq, event in enumerate(events, 1)]


def fields(call_id: str, seq: int, event: LoggedEvent) -> dict[FieldT, EncodableT]:
    """An entry of an outbox as the queue's scripts write it."""
    return {"c": call_id, "s": seq, "e": encode_event(event)}


def said(
    *words: str | Word, channel: int = 0, number: int = 0, start: int = 0, seconds: float = 2.0
) -> StoredSegment:
    """A stored final."""
    return StoredSegment(
        SegmentId(channel, number),
        Span(start, start + int(seconds * SECOND)),
        Ending.FINAL,
        tuple(word if isinstance(word, Word) else Word(word) for word in words),
    )


def transcript(*segments: StoredSegment) -> Transcript:
    """A stored call between an agent and a customer."""
    call = CallSummary(
        "c1", ("agent", "customer"), "en", "twilio", 1_700_000_000.0, "hangup", 80_000
    )
    return Transcript.of(call, segments)
