"""
Encodes and decodes transcript events, in two forms.

The internal form is stored in Redis and read by our own processes: MessagePack with times in samples, after a
version number; a script adds the `seq`. An entry keeps the bytes that were read: fields that this version does not
know stay in them, and an event that it cannot read becomes an `UnreadEntry`.

Clients read the public form: JSON with times in integer milliseconds, documented in docs/native-protocol.md. The
public form only changes by additions.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, astuple, dataclass
from typing import Any, assert_never, get_args

import msgspec

from ..calls.call import Role, original_call_id
from ..clock import to_ms
from . import (
    AudioGap,
    AudioKept,
    CallEnded,
    CallStarted,
    CallWarning,
    CardAdded,
    ChannelTotals,
    DtmfPressed,
    Entry,
    Final,
    KeywordsApplied,
    LineWarning,
    LoadChanged,
    LogEntry,
    MarkReached,
    Partial,
    SegmentDropped,
    SegmentFailed,
    SegmentId,
    SegmentRevised,
    Span,
    SpeechStarted,
    Terminal,
    TranscriptEvent,
    UnreadEntry,
    Word,
)

VERSION = 1
PUBLIC_VERSION = 1

_KINDS: dict[str, type] = {
    kind.__name__: kind
    for kind in (
        CallStarted,
        SpeechStarted,
        Partial,
        Final,
        SegmentFailed,
        SegmentDropped,
        SegmentRevised,
        AudioGap,
        KeywordsApplied,
        DtmfPressed,
        LineWarning,
        CallWarning,
        LoadChanged,
        CardAdded,
        AudioKept,
        MarkReached,
        CallEnded,
    )
}
assert len(_KINDS) == len(get_args(TranscriptEvent))


RoleOf = Callable[[int], str]
"""Returns the role of a channel number."""


@dataclass(frozen=True, slots=True)
class _SegmentOnly:
    """The only field of a terminal event that must be readable, whatever else has changed."""

    segment: SegmentId


_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_TERMINAL = frozenset(kind.__name__ for kind in get_args(Terminal))
_LONGEST_KIND = 40


def encode_event(event: TranscriptEvent) -> bytes:
    """Encode an event in the internal form, without `seq`."""
    return msgspec.msgpack.encode((VERSION, type(event).__name__, event))


def entry_of(event: TranscriptEvent, seq: int | None) -> Entry:
    """Return an event of this version as an entry. `seq`: None for a partial."""
    return Entry(event, seq, encode_event(event))


def decode_entry(seq: int | None, payload: bytes) -> LogEntry:
    """Decode the internal form. `seq`: None for a partial. Never raises: see `UnreadEntry`."""
    try:
        version, kind, body = _parts(payload)
    except _UNREADABLE:
        return UnreadEntry("", seq, payload)
    try:
        if version == VERSION and kind in _KINDS:
            return Entry(msgspec.msgpack.decode(body, type=_KINDS[kind]), seq, payload)
    except _UNREADABLE:
        pass
    return UnreadEntry(_name(kind), seq, payload, _segment_ended(kind, body))


def _parts(payload: bytes) -> tuple[int, str, msgspec.Raw]:
    """Version, type and body. A newer version may append further parts."""
    parts: list[msgspec.Raw] = msgspec.msgpack.decode(payload, type=list[msgspec.Raw])
    if len(parts) < 3:
        raise msgspec.ValidationError("not an event")
    version, kind, body = parts[:3]
    return msgspec.msgpack.decode(version, type=int), msgspec.msgpack.decode(kind, type=str), body


def _name(kind: str) -> str:
    """The type's name, if it looks like one: it appears in logs."""
    return kind if kind.isidentifier() and len(kind) <= _LONGEST_KIND else ""


def _segment_ended(kind: str, body: msgspec.Raw) -> SegmentId | None:
    if kind not in _TERMINAL:
        return None
    try:
        return msgspec.msgpack.decode(body, type=_SegmentOnly).segment
    except _UNREADABLE:
        return None


class EventJsonWriter:
    """Writes the entries of one call in the public form. Takes the roles from `call.started`."""

    def __init__(self, call_id: str, roles: Sequence[Role] = ()) -> None:
        self._call_id = call_id
        self._roles = tuple(roles)

    def write(self, entry: Entry) -> str:
        """One JSON object on one line."""
        if isinstance(entry.event, CallStarted):
            self._roles = entry.event.roles
        head: dict[str, Any] = {"v": PUBLIC_VERSION, "call_id": self._call_id}
        if entry.seq is not None:
            head["seq"] = entry.seq
        body = _public(entry.event, self._role)
        if isinstance(entry.event, CallStarted):
            body |= self._original_id()
        return msgspec.json.encode(head | body).decode()

    def _original_id(self) -> dict[str, str]:
        """The bridge's own id of the call, if it differs from the call id."""
        original = original_call_id(self._call_id)
        return {} if original in (None, self._call_id) else {"bridge_call_id": str(original)}

    def begin_again(self) -> str:
        """The message `log.replaced`: another log follows, with `seq` 1."""
        head = {"v": PUBLIC_VERSION, "call_id": self._call_id, "type": "log.replaced"}
        return msgspec.json.encode(head).decode()

    def _role(self, channel: int) -> str:
        return self._roles[channel] if channel < len(self._roles) else Role.MIXED


def _public(event: TranscriptEvent, role: RoleOf) -> dict[str, Any]:
    match event:
        case Final():
            return _final(event, role)
        case SegmentRevised(final):
            return _final(final, role) | {"type": "segment.revised"}
        case Partial():
            return _segment("segment.partial", event.segment, event.span, role) | {
                "rev": event.revision,
                "text": " ".join(word.text for word in event.words),
                "words": [
                    _word(word) | {"stable": place < event.stable}
                    for place, word in enumerate(event.words)
                ],
            }
        case SegmentFailed(segment, span, reason):
            return _segment("segment.failed", segment, span, role) | {"reason": reason}
        case SegmentDropped(segment, span, reason):
            return _segment("segment.dropped", segment, span, role) | {"reason": reason}
        case SpeechStarted(segment, start):
            return _where("speech.started", segment.channel, role) | {
                "segment_id": str(segment),
                "start_ms": to_ms(start),
            }
        case AudioGap(channel, span, reason, account):
            return (
                _where("audio_gap", channel, role)
                | _span(span)
                | {"reason": reason, "account": account}
            )
        case DtmfPressed(channel, digit, at, kind, _):
            pressed = _where("dtmf", channel, role) | {"digit": digit, "at_ms": to_ms(at)}
            return pressed | {"redacted": kind} if kind else pressed
        case LineWarning():
            return _line_warning(event, role)
        case KeywordsApplied(revision, accepted, rejected, per_segment):
            return {
                "type": "keywords.applied",
                "keywords_rev": revision,
                "accepted": accepted,
                "rejected": rejected,
                "per_segment": len(accepted) if per_segment is None else per_segment,
            }
        case LoadChanged(_, level, reason):
            said = {"type": "degraded", "level": level.name.lower()}
            return said | {"reason": reason} if reason else said
        case CallWarning(_, code, message):
            return {"type": "warning", "code": code, "message": message}
        case CardAdded():
            return card_body(event)
        case AudioKept():
            return {"type": "audio.kept"}
        case MarkReached(name):
            return {"type": "mark", "name": name}
        case CallStarted() | CallEnded():
            return _frame(event)
        case _:
            assert_never(event)


def _final(event: Final, role: RoleOf) -> dict[str, Any]:
    return (
        _segment("segment.final", event.segment, event.span, role)
        | {
            "text": event.text,
            "words": [_word(word) for word in event.words],
            "language": event.language,
            "keywords_rev": event.keywords_revision,
            "keywords": event.keywords_found,
            "engine": event.engine,
            "latency": {"queue_ms": event.timing.waited_ms, "engine_ms": event.timing.engine_ms},
            "flags": event.flags,
        }
        | _lexical(event)
        | _redactions(event)
    )


def _lexical(event: Final) -> dict[str, str]:
    """What was said, of a final whose words are formatted."""
    said = " ".join(word.text for word in event.lexical)
    return {"lexical": said} if said else {}


def _redactions(event: Final) -> dict[str, Any]:
    """What was left out of a final; nothing if its words are all there."""
    listed = [
        {"kind": one.kind, "word": one.place} | _times(one.start, one.end)
        for one in event.redactions
    ]
    return {"redactions": listed} if listed else {}


def _line_warning(event: LineWarning, role: RoleOf) -> dict[str, Any]:
    return _where("line_warning", event.channel, role) | {
        "fault": event.fault,
        "check": event.check,
        "measured": event.measured,
        "unit": event.unit,
        "at_ms": to_ms(event.at),
    }


def _frame(event: CallStarted | CallEnded) -> dict[str, Any]:
    """The public form of the first and the last event of a log."""
    if isinstance(event, CallStarted):
        return {
            "type": "call.started",
            "roles": event.roles,
            "language": event.language,
            "dialect": event.dialect,
            "started_at": event.started_at,
        } | _about(event)
    return {
        "type": "call.ended",
        "reason": event.reason,
        "duration_ms": to_ms(event.duration),
        "segments": event.segments,
        "channels": [totals_in_ms(totals) for totals in event.channels],
    }


def _about(event: CallStarted) -> dict[str, Any]:
    """What is known of the bridge's audio and of the call beyond its identity."""
    known: dict[str, Any] = {"sample_rate": event.sample_rate} if event.sample_rate else {}
    known |= {"encoding": event.encoding} if event.encoding else {}
    return known | ({"metadata": dict(event.metadata)} if event.metadata else {})


def card_body(card: CardAdded) -> dict[str, Any]:
    """The public form of a card, with its type."""
    cause = {"segment_id": str(card.segment)} if card.segment else {}
    return {
        "type": "card",
        "card_id": card.card_id,
        "title": card.title,
        "text": card.text,
        "link": card.link,
        "for": card.audience,
        "rule": card.rule,
        "at_ms": to_ms(card.at),
    } | cause


def totals_in_ms(totals: ChannelTotals) -> dict[str, int]:
    """The accounts in whole milliseconds. The rounding error is added to silence, so that the sum is exact."""
    rounded = {account: to_ms(samples) for account, samples in asdict(totals).items()}
    rounded["silence"] += to_ms(sum(astuple(totals))) - sum(rounded.values())
    return {f"{account}_ms": value for account, value in rounded.items()}


def _segment(kind: str, segment: SegmentId, span: Span, role: RoleOf) -> dict[str, Any]:
    return _where(kind, segment.channel, role) | {"segment_id": str(segment)} | _span(span)


def _where(kind: str, channel: int, role: RoleOf) -> dict[str, Any]:
    return {"type": kind, "channel": channel, "role": role(channel)}


def _span(span: Span) -> dict[str, int]:
    return {"start_ms": to_ms(span.start), "end_ms": to_ms(span.end)}


def _times(start: int | None, end: int | None) -> dict[str, int]:
    if start is None or end is None:
        return {}
    return {"s": to_ms(start), "e": to_ms(end)}


def _word(word: Word) -> dict[str, Any]:
    written: dict[str, Any] = {"w": word.text}
    written |= _times(word.start, word.end)
    if word.confidence is not None:
        written["c"] = round(word.confidence, 3)
    if word.speaker is not None:
        written["speaker"] = word.speaker
    if word.role is not None:
        written["role"] = word.role
    return written
