"""
AssemblyAI's Universal Streaming API, version 3, as existing clients use it.

https://www.assemblyai.com/docs/api-reference/streaming-api/streaming-api
The gateway sends `Begin` before the first message of the client.  One segment is one turn.  Times are milliseconds.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import msgspec

from ..audio import AudioFormat, Encoding
from ..bridge_events import (
    BridgeEvent,
    CallClosed,
    CallOpened,
    CodedAudio,
    DialectError,
    FinalizeRequested,
    KeywordsChanged,
)
from ..calls import call
from ..calls.call import CallConfig, Keywords
from ..calls.keywords import clean
from ..calls.speaker_roles import role_rule
from ..calls.text_form import AS_HEARD, AS_WRITTEN
from ..clock import to_ms
from ..events import (
    CallEnded,
    CallWarning,
    Entry,
    Final,
    KeywordsApplied,
    LineWarning,
    Partial,
    SegmentDropped,
    SegmentFailed,
    SegmentId,
    Span,
    SpeechStarted,
    Word,
)
from .base import Message, Request
from .common import call_parameters, json_fields, options
from .common.deinterleave import Interleaved
from .common.options import Options
from .common.turns import TimedWord, letter, mean_confidence, timed

_ENCODINGS = {"pcm_s16le": Encoding.L16, "pcm_mulaw": Encoding.MULAW}

_MOST_WARNINGS = 32

_NEVER = 4_102_444_800
"""Expiry of a session in seconds since 1970.  Sessions do not expire, but clients need a date."""


class AssemblyAI:
    """One session."""

    name: ClassVar[str] = "assemblyai"

    def __init__(self, request: Request) -> None:
        self._out: list[Message] = []
        self.objection: DialectError | None = None
        self._opening: CallOpened | None = None
        self._orders: dict[SegmentId, int] = {}
        self._turns = 0
        self._closed = False
        self._warnings: list[str] = []
        try:
            audio, self._opening = _understand(request)
        except DialectError as exc:
            self.objection, audio = exc, AudioFormat()
            self._say({"type": "Error", "error_code": 3006, "error": str(exc)})
        else:
            begin = {"type": "Begin", "id": self._opening.call_id, "expires_at": _NEVER}
            self._say(begin)
        self._tells_roles = self._opening is not None and bool(self._opening.config.speaker_roles)
        self._formats = self._opening is not None and self._opening.config.form.numerals
        self._audio = Interleaved(audio)

    def receive(self, message: Message) -> list[BridgeEvent]:
        """See Dialect."""
        if self.objection is not None:
            raise self.objection
        if self._closed:
            return []
        events = self._said(message)
        opened, self._opening = self._opening, None
        return [opened, *events] if opened else events

    def audio(self, message: Message) -> Sequence[CodedAudio] | None:
        """See PlainAudio."""
        if self.objection is not None or self._closed or self._opening is not None:
            return None
        return self._audio.plain(message)

    def report_error(self, error: str, reason: str) -> None:
        """Send an `Error` before the connection is closed; errors in the URL were sent at the start."""
        if self.objection is not None:
            return
        self._say(
            {"type": "Error", "error_code": 3008 if error == "too_long" else 3006, "error": reason}
        )

    def opened(self, call_id: str) -> None:
        """Do nothing: `Begin` has the id."""

    def notify(self, entry: Entry) -> None:
        """Send turns, and the end of the session."""
        match entry.event:
            case SpeechStarted(_, start):
                self._say({"type": "SpeechStarted", "timestamp": to_ms(start)})
            case Partial(segment, span, _, words, stable) if words:
                self._turn(segment, span, words, stable)
            case Final(segment, span, words) if words or segment in self._orders:
                self._turn(segment, span, words, None)
            case SegmentFailed(segment, span) | SegmentDropped(segment, span):
                if segment in self._orders:  # the text of earlier partials is withdrawn
                    self._turn(segment, span, (), None)
            case KeywordsApplied(_, _, rejected):
                for reason in rejected[:_MOST_WARNINGS]:
                    self._warn(f"keyterms_prompt: {reason}")
            case CallWarning(_, _, message):
                self._warn(message)
            case LineWarning(channel, fault, check):
                self._warn(f"audio of channel {channel}: {fault}: {check}")
            case CallEnded(duration=duration):
                seconds = to_ms(duration) // 1_000
                self._say(
                    {
                        "type": "Termination",
                        "audio_duration_seconds": seconds,
                        "session_duration_seconds": seconds,
                        **({"x": {"warnings": self._warnings}} if self._warnings else {}),
                    }
                )
            case _:
                pass

    def outbox(self) -> list[Message]:
        """See Dialect."""
        out, self._out = self._out, []
        return out

    def _warn(self, text: str) -> None:
        """Add a warning, which the next turns and the end of the session carry; their number is limited."""
        if len(self._warnings) < _MOST_WARNINGS:
            self._warnings.append(text)

    def _said(self, message: Message) -> list[BridgeEvent]:
        if isinstance(message, bytes):
            return [*self._audio.receive(message)]
        body = json_fields.parse(message)
        match json_fields.kind(body, "type"):
            case "UpdateConfiguration":
                return self._configure(body)
            case "ForceEndpoint":
                return [FinalizeRequested()]
            case "Terminate":
                self._closed = True
                return [CallClosed()]
            case _:  # KeepAlive, and types that may be added later
                return []

    def _configure(self, body: Mapping[str, Any]) -> list[BridgeEvent]:
        """Change keyterms; other options have no effect here."""
        if body.get("keyterms_prompt") is None:
            return []
        asked = Options(body)
        cleaned = clean(asked.terms("keyterms_prompt"))
        if asked.warnings and not cleaned.terms:
            return [*asked.warnings]
        return [*asked.warnings, KeywordsChanged(cleaned.terms, cleaned.rejected)]

    def _turn(
        self, segment: SegmentId, span: Span, words: tuple[Word, ...], stable: int | None
    ) -> None:
        """Send a turn.  `stable`: number of stable words of a partial; None for the end of the turn."""
        if segment not in self._orders:
            self._orders[segment] = self._turns
            self._turns += 1
        is_over = stable is None
        spread = timed(words, span)
        self._say(
            {
                "type": "Turn",
                "turn_order": self._orders[segment],
                "turn_is_formatted": is_over and self._formats,
                "end_of_turn": is_over,
                "transcript": " ".join(word.text for word in words),
                "end_of_turn_confidence": round(mean_confidence(spread), 4) if is_over else 0.0,
                "words": _words(
                    spread,
                    len(words) if stable is None else stable,
                    tells_roles=self._tells_roles,
                ),
                **_label(spread),
                **({"x": {"warnings": self._warnings}} if self._warnings else {}),
            }
        )
        if is_over:
            del self._orders[segment]

    def _say(self, answer: dict[str, Any]) -> None:
        self._out.append(msgspec.json.encode(answer).decode())


def _words(
    spread: tuple[TimedWord, ...], stable: int, *, tells_roles: bool
) -> list[dict[str, Any]]:
    return [
        {
            "start": to_ms(word.start),
            "end": to_ms(word.end),
            "confidence": word.confidence,
            "text": word.text,
            "word_is_final": place < stable,
            **({} if word.speaker is None else {"speaker": letter(word.speaker)}),
            **({"role": word.role} if tells_roles and word.role else {}),
        }
        for place, word in enumerate(spread)
    ]


def _label(spread: tuple[TimedWord, ...]) -> dict[str, str]:
    """The speaker of a turn: that of most of its words, the first of several; none if no speaker is known."""
    speakers = Counter(word.speaker for word in spread if word.speaker is not None)
    return {"speaker_label": letter(speakers.most_common(1)[0][0])} if speakers else {}


def _understand(request: Request) -> tuple[AudioFormat, CallOpened]:
    """Audio format and call from the query string; unknown parameters are ignored.  Raises DialectError."""
    if (request.first("redact_pii") or "false").lower() == "true":
        raise DialectError(
            "redact_pii is not supported: the policy of the site decides what is left out"
        )
    said = dict(request.query)
    encoding = said.get("encoding", "pcm_s16le")
    if encoding not in _ENCODINGS:
        raise DialectError(
            f"encoding {encoding[:32]!r} is not supported: send {', '.join(_ENCODINGS)}"
        )
    asked = Options(said)
    cleaned = clean(asked.terms("keyterms_prompt"))
    spoken = "language_codes" if said.get("language_codes") else "language_code"
    named = call.adapted_call_id(said.get("call_id") or request.own_id)
    try:
        usual = 16_000 if _ENCODINGS[encoding] is Encoding.L16 else 8_000
        audio = AudioFormat(_ENCODINGS[encoding], json_fields.whole(said, "sample_rate", usual))
    except ValueError as exc:
        raise DialectError(str(exc)) from exc
    config = CallConfig(
        asked.read(spoken, options.language, "en"),
        keywords=Keywords(cleaned.terms),
        form=AS_WRITTEN if asked.read("format_turns", options.boolean, default=False) else AS_HEARD,
        speakers=options.speakers(asked, "speaker_labels", "max_speakers"),
        speaker_roles=asked.read("speaker_roles", role_rule, None),
    )
    opened = CallOpened(
        call_id=named,
        roles=(call_parameters.role_of(request.query),),
        rate=audio.rate,
        encoding=audio.encoding.value,
        config=config,
        rejected_keywords=cleaned.rejected,
        warnings=tuple(asked.warnings),
    )
    return audio, opened
