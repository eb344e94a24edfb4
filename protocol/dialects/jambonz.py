"""
jambonz: the gateway is its custom speech vendor, for `gather` and `transcribe`.

https://docs.jambonz.org/guides/features/speech/custom-stt jambonz sends a JSON `start`, binary samples and `stop`.
The gateway sends transcriptions, then closes.  jambonz does not announce two channels: the application sets
`channels` in the vendor's options.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import msgspec

from ..audio import AudioFormat, Encoding
from ..bridge_events import BridgeEvent, CallClosed, CodedAudio, DialectError, EarlyError
from ..calls.call import Role
from ..events import Entry, Final, Partial, SegmentId, Span, Word
from .base import Message, Request
from .common import call_parameters, json_fields, options
from .common.deinterleave import Interleaved
from .common.options import Options
from .common.turns import mean_confidence, timed

_SIDES = {"1": Role.CUSTOMER, "2": Role.AGENT}
"""Channels count from 1: audio from the caller, and audio to the caller."""


class Jambonz:
    """One connection: one recognition."""

    name: ClassVar[str] = "jambonz"

    def __init__(self, request: Request) -> None:
        self._audio: Interleaved | None = None
        self._closed = False
        self._language = "en"
        self._out: list[Message] = []

    def receive(self, message: Message) -> list[BridgeEvent]:
        """See Dialect."""
        return [] if self._closed else self._understand(message)

    def report_error(self, error: str, reason: str) -> None:
        """Send an `error` message before the connection is closed."""
        self._say({"type": "error", "error": reason})

    def audio(self, message: Message) -> Sequence[CodedAudio] | None:
        """See PlainAudio."""
        return None if self._audio is None or self._closed else self._audio.plain(message)

    def opened(self, call_id: str) -> None:
        """Do nothing: no message carries the id."""

    def notify(self, entry: Entry) -> None:
        """Send partials and finals; the protocol has no other messages."""
        match entry.event:
            case Partial(segment=segment, span=span, words=words) if words:
                self._transcribe(segment, span, words, is_final=False)
            case Final(segment=segment, span=span, words=words) if words:
                self._transcribe(segment, span, words, is_final=True)
            case _:
                pass

    def outbox(self) -> list[Message]:
        """See Dialect."""
        out, self._out = self._out, []
        return out

    def _understand(self, message: Message) -> list[BridgeEvent]:
        if isinstance(message, bytes):
            if self._audio is None:
                raise EarlyError("audio before start")
            return [*self._audio.receive(message)]
        body = json_fields.parse(message)
        match json_fields.kind(body, "type"):
            case "start":
                return self._start(body)
            case "stop":
                self._closed = True
                return [CallClosed()] if self._audio else []
            case _:
                return []

    def _start(self, body: Mapping[str, Any]) -> list[BridgeEvent]:
        if self._audio is not None:
            raise DialectError("a second start: one connection carries one recognition")
        asked = Options(body)
        vendor = asked.read("options", options.object_of, {})
        optional = Options(vendor)
        audio = _format(body, optional.read("channels", _channels, 1))
        language = asked.read("language", _tag, "en-US")
        parameters = [
            *call_parameters.strings(sites_own(vendor)),
            ("keywords", options.as_text(optional.terms("keywords", "keyterms", "hints"))),
            ("language", language),
            (
                "partials",
                str(asked.read("interimResults", options.boolean, default=False)),
            ),
        ]
        call_params = call_parameters.parse_parameters(
            parameters, _SIDES if audio.channels == 2 else None
        )
        roles = tuple(call_params.roles.values()) or (call_parameters.role_of(parameters),)
        named = json_fields.call_id(vendor, "callSid")
        opened = call_params.open(
            named,
            roles,
            audio.rate,
            audio.encoding.value,
            warnings=[*asked.warnings, *optional.warnings],
        )
        self._audio, self._language = Interleaved(audio), language
        return [opened]

    def _transcribe(
        self, segment: SegmentId, span: Span, words: tuple[Word, ...], *, is_final: bool
    ) -> None:
        confidence = round(mean_confidence(timed(words, span)), 4)
        text = " ".join(word.text for word in words)
        self._say(
            {
                "type": "transcription",
                "is_final": is_final,
                "alternatives": [{"transcript": text, "confidence": confidence}],
                "channel": segment.channel + 1,
                "language": self._language,
            }
        )

    def _say(self, answer: dict[str, Any]) -> None:
        self._out.append(msgspec.json.encode(answer).decode())


def sites_own(said: Mapping[str, Any]) -> dict[str, Any]:
    """The site's parameters without jambonz's `callId`, which is the SIP Call-ID; jambonz's own id is `callSid`."""
    return {
        name: value for name, value in said.items() if name != "callId" or "callSid" not in said
    }


def _tag(value: object) -> str:
    """A valid language tag, unchanged."""
    options.language(value)
    return value if isinstance(value, str) else options.language(value)


def _channels(value: object) -> int:
    count = options.whole(value)
    if count not in (1, 2):
        raise ValueError("channels must be 1 or 2")
    return count


def _format(body: Mapping[str, Any], channels: int) -> AudioFormat:
    encoding = json_fields.text(body, "encoding", "LINEAR16")
    if encoding.upper() != "LINEAR16":
        raise DialectError(f"encoding {encoding[:32]!r} is not supported: send LINEAR16")
    try:
        return AudioFormat(Encoding.L16, json_fields.whole(body, "sampleRateHz", 8_000), channels)
    except ValueError as exc:
        raise DialectError(str(exc)) from exc
