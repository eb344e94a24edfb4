"""
jambonz: we are its speech vendor, for `gather` and `transcribe`.

https://docs.jambonz.org/guides/features/speech/custom-stt
JSON `start`, binary samples, `stop`; transcriptions back; then we close.  Two channels are not announced: the
application says `channels` in the vendor's options.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec

from ..audio import AudioFormat, Encoding
from ..bridge import BridgeEvent, CallClosed, DialectError
from ..call import Role
from ..events import Entry, Final, Partial, SegmentId, Span, Word
from . import custom, fields
from .base import Message, Request
from .interleaved import Interleaved
from .turns import mean_confidence, timed

_SIDES = {"1": Role.CUSTOMER, "2": Role.AGENT}
"""Channels count from 1: the caller's, and what the caller hears."""


class Jambonz:
    """One recognition."""

    name: ClassVar[str] = "jambonz"

    def __init__(self, request: Request) -> None:
        self._audio: Interleaved | None = None
        self._closed = False
        self._language = "en"
        self._out: list[Message] = []

    def receive(self, message: Message) -> list[BridgeEvent]:
        """What jambonz means; DialectError for what it may not say, which it is also told in-band."""
        if self._closed:
            return []
        try:
            return self._understand(message)
        except DialectError as exc:
            self._say({"type": "error", "error": str(exc)})
            raise

    def opened(self, call_id: str) -> None:
        """Nothing sent carries it."""

    def tell(self, entry: Entry) -> None:
        """Texts only: there is no message for anything else."""
        match entry.event:
            case Partial(segment=segment, span=span, words=words) if words:
                self._transcribe(segment, span, words, is_final=False)
            case Final(segment=segment, span=span, words=words) if words:
                self._transcribe(segment, span, words, is_final=True)
            case _:
                pass

    def outbox(self) -> list[Message]:
        """What is to be sent now."""
        out, self._out = self._out, []
        return out

    def _understand(self, message: Message) -> list[BridgeEvent]:
        if isinstance(message, bytes):
            if self._audio is None:
                raise DialectError("audio before start")
            return [*self._audio.receive(message)]
        body = fields.parse(message)
        match fields.text(body, "type"):
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
        options = body.get("options") or {}
        if not isinstance(options, dict):
            raise DialectError("options must be an object")
        audio = _format(body, options)
        parameters = [
            *custom.strings(options),
            ("keywords", ",".join(_hints(options))),
            ("language", fields.text(body, "language", "en-US")),
            ("partials", str(fields.boolean(body, "interimResults", default=False))),
        ]
        wishes = custom.understand(parameters, _SIDES if audio.channels == 2 else None)
        named = fields.call_id(options, "callSid") if "callSid" in options else None
        roles = tuple(wishes.roles.values()) or (custom.role_of(parameters),)
        self._audio, self._language = Interleaved(audio), fields.text(body, "language", "en-US")
        return [wishes.open(named, roles, audio.rate)]

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


def _hints(options: Mapping[str, Any]) -> list[str]:
    """Keywords, under the names that applications give them; jambonz calls them hints."""
    for name in ("keywords", "keyterms", "hints"):
        if isinstance(options.get(name), str):
            return [fields.text(options, name)]
        if options.get(name):
            return fields.strings(options, name)
    return []


def _format(body: Mapping[str, Any], options: Mapping[str, Any]) -> AudioFormat:
    encoding = fields.text(body, "encoding", "LINEAR16")
    if encoding.upper() != "LINEAR16":
        raise DialectError(f"encoding {encoding[:32]!r} is not supported: send LINEAR16")
    channels = fields.whole(options, "channels", 1)
    if channels not in (1, 2):
        raise DialectError("channels must be 1 or 2")
    try:
        return AudioFormat(Encoding.L16, fields.whole(body, "sampleRateHz", 8_000), channels)
    except ValueError as exc:
        raise DialectError(str(exc)) from exc
