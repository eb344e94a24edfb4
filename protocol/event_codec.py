"""
Encodes and decodes transcript events, in two forms.

The internal form is stored in Redis and read by our own processes: MessagePack with times in samples, after a
version number; a script adds the `seq`. Clients read the public form: JSON with times in integer milliseconds,
documented in docs/native-protocol.md. The public form only changes by additions.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, astuple
from typing import Any, assert_never, get_args

import msgspec

from .call import Role, original_call_id
from .clock import to_ms
from .events import (
    AudioGap,
    CallEnded,
    CallStarted,
    CallWarning,
    ChannelTotals,
    DtmfPressed,
    Entry,
    Final,
    KeywordsApplied,
    LineWarning,
    LoadChanged,
    MarkReached,
    Partial,
    SegmentDropped,
    SegmentFailed,
    SegmentId,
    Span,
    SpeechStarted,
    TranscriptEvent,
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
        AudioGap,
        KeywordsApplied,
        DtmfPressed,
        LineWarning,
        CallWarning,
        LoadChanged,
        MarkReached,
        CallEnded,
    )
}
assert len(_KINDS) == len(get_args(TranscriptEvent))


RoleOf = Callable[[int], str]
"""Returns the role of a channel number."""


class WireError(ValueError):
    """The bytes are not an event of a version that this program knows."""


def encode_event(event: TranscriptEvent) -> bytes:
    """Encode an event in the internal form, without `seq`."""
    return msgspec.msgpack.encode((VERSION, type(event).__name__, event))


def decode_entry(seq: int | None, payload: bytes) -> Entry:
    """Decode the internal form. `seq`: None for a partial. Raises WireError."""
    try:
        version, kind, body = msgspec.msgpack.decode(payload, type=tuple[int, str, msgspec.Raw])
        if version != VERSION or kind not in _KINDS:
            raise WireError(
                f"an event {kind} of version {version}: written by a newer Trunkline; update this one"
            )
        return Entry(msgspec.msgpack.decode(body, type=_KINDS[kind]), seq)
    except (msgspec.MsgspecError, UnicodeDecodeError) as exc:
        raise WireError("not an event") from exc


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
        case DtmfPressed(channel, digit, at):
            return _where("dtmf", channel, role) | {"digit": digit, "at_ms": to_ms(at)}
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
        case MarkReached(name):
            return {"type": "mark", "name": name}
        case CallStarted() | CallEnded():
            return _frame(event)
        case _:
            assert_never(event)


def _final(event: Final, role: RoleOf) -> dict[str, Any]:
    return _segment("segment.final", event.segment, event.span, role) | {
        "text": event.text,
        "words": [_word(word) for word in event.words],
        "language": event.language,
        "keywords_rev": event.keywords_revision,
        "keywords": event.keywords_found,
        "engine": event.engine,
        "latency": {"queue_ms": event.timing.waited_ms, "engine_ms": event.timing.engine_ms},
        "flags": event.flags,
    }


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
        }
    return {
        "type": "call.ended",
        "reason": event.reason,
        "duration_ms": to_ms(event.duration),
        "segments": event.segments,
        "channels": [totals_in_ms(totals) for totals in event.channels],
    }


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


def _word(word: Word) -> dict[str, Any]:
    written: dict[str, Any] = {"w": word.text}
    if word.start is not None and word.end is not None:
        written |= {"s": to_ms(word.start), "e": to_ms(word.end)}
    if word.confidence is not None:
        written["c"] = round(word.confidence, 3)
    return written
