"""
Trunkline's own dialect, documented in docs/native-protocol.md.

The bridge sends a JSON `start`, then audio in binary frames or base64, and receives the public events.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, ClassVar, TypedDict

import msgspec

from ..audio import AudioFormat, Encoding
from ..bridge_events import (
    AudioReceived,
    BridgeEvent,
    BridgeWarning,
    CallClosed,
    CallOpened,
    CodedAudio,
    DialectError,
    DtmfReceived,
    EarlyError,
    FinalizeRequested,
    KeywordsChanged,
    MarkReceived,
    UnreadableError,
    WarningCode,
)
from ..calls.call import CallConfig, Keywords, Role
from ..calls.keywords import clean, split
from ..calls.speaker_roles import role_rule
from ..clock import at_rate
from ..events import Entry
from ..events.event_codec import EventJsonWriter
from .base import Message, Request
from .common import json_fields, options
from .common.deinterleave import Interleaved
from .common.options import Options
from .common.text_options import pairs_of, text_form

_ENCODINGS = {
    "mulaw": Encoding.MULAW,
    "ulaw": Encoding.MULAW,
    "pcmu": Encoding.MULAW,
    "alaw": Encoding.ALAW,
    "pcma": Encoding.ALAW,
    "l16": Encoding.L16,
    "linear16": Encoding.L16,
    "pcm_s16le": Encoding.L16,
}
_MOST_CHANNELS = 8
_PASSING = frozenset({"overloaded"})
"""Errors that are temporary: the bridge may retry."""

_COUNTS = [[str(count)] for count in range(1, _MOST_CHANNELS + 1)]
"""A number of channels, as it is split from a query string."""


class _AudioMessage(msgspec.Struct, frozen=True, gc=False, tag_field="type", tag="audio"):
    """Audio of one channel, in the form that most clients send."""

    channel: Annotated[int, msgspec.Meta(ge=0)]
    payload: bytes
    position: Annotated[int, msgspec.Meta(ge=0, lt=10**15)] | msgspec.UnsetType = msgspec.UNSET


_AUDIO_MESSAGE = msgspec.json.Decoder(_AudioMessage)


class Native:
    """One connection of the native protocol.  The fields of `start` may also be in the query string."""

    name: ClassVar[str] = "native"

    def __init__(self, request: Request) -> None:
        self._query = request
        self._audio_in: Interleaved | None = None
        self._closed = False
        self._call: CallOpened | None = None
        self._call_id = ""
        self._event_writer = EventJsonWriter("")
        self._out: list[Message] = []

    def receive(self, message: Message) -> list[BridgeEvent]:
        """See Dialect."""
        return self._understand(message)

    def audio(self, message: Message) -> Sequence[CodedAudio] | None:
        """See PlainAudio."""
        if self._audio_in is None or self._closed:
            return None
        if isinstance(message, bytes):
            return self._audio_in.plain(message)
        return self._coded(self._audio_in.format, message)

    def _coded(self, audio: AudioFormat, message: str) -> Sequence[CodedAudio] | None:
        """The audio of one channel in base64."""
        body = json_fields.decoded(_AUDIO_MESSAGE, message)
        if body is None:
            return None
        samples, rest = divmod(len(body.payload), audio.encoding.width)
        if rest or body.channel >= audio.channels:
            return None
        position = None if body.position is msgspec.UNSET else body.position
        return [CodedAudio(body.channel, body.payload, audio.encoding, samples, position)]

    def report_error(self, error: str, reason: str) -> None:
        """Send an `error` message before the connection is closed."""
        self._out.append(_error(reason, error, retryable=error in _PASSING))

    def _understand(self, message: Message) -> list[BridgeEvent]:
        if self._closed:
            raise DialectError("no message is allowed after stop")
        if isinstance(message, bytes):
            return self._binary(message)
        body = json_fields.parse(message)
        kind = json_fields.kind(body, "type")
        if kind == "start":
            return self._start(body)
        if kind not in _UNDERSTOOD:
            return self._unknown(kind)
        if self._audio_in is None and kind != "ping":
            raise EarlyError(f"{kind} before start")
        return _UNDERSTOOD[kind](self, body)

    def opened(self, call_id: str) -> None:
        """Set the call id, which all sent events carry."""
        self._event_writer = EventJsonWriter(call_id, self._call.roles if self._call else ())
        self._call_id = call_id

    def resumed(self, token: str, heard: Sequence[int]) -> None:
        """Send `ready`: the first message to a bridge that asked for resumption."""
        assert self._call is not None  # it has been opened
        ready = {
            "type": "ready",
            "call_id": self._call_id,
            "token": token,
            "positions": [at_rate(position, self._call.rate) for position in heard],
        }
        self._out.append(msgspec.json.encode(ready).decode())

    def notify(self, entry: Entry) -> None:
        """Send every event, in its public form."""
        self._out.append(self._event_writer.write(entry))

    def outbox(self) -> list[Message]:
        """See Dialect."""
        out, self._out = self._out, []
        return out

    def _start(self, body: Mapping[str, Any]) -> list[BridgeEvent]:
        if self._audio_in is not None:
            raise DialectError("a second start: one connection carries one call")
        roles = _roles(body.get("channels", 1))
        if "encoding" not in body and json_fields.whole(body, "sample_rate", 8_000) != 8_000:
            raise DialectError("set encoding: without it the gateway assumes mulaw at 8000 Hz")
        try:
            audio = AudioFormat(
                _encoding(json_fields.text(body, "encoding", "mulaw")),
                json_fields.whole(body, "sample_rate", 8_000),
                len(roles),
            )
            opened = _opened(body, roles, audio)
        except ValueError as exc:
            raise DialectError(str(exc)) from exc
        self._audio_in = Interleaved(audio)
        self._call = opened
        return [opened]

    def _unknown(self, kind: str) -> list[BridgeEvent]:
        """A message of an unknown type: ignored with a warning in a call, refused before its start."""
        text = f"unknown type {kind[:32]!r}: send start, {', '.join(_UNDERSTOOD)}"
        if self._audio_in is None:
            raise UnreadableError(text)
        return [BridgeWarning(WarningCode.BAD_MESSAGE, text)]

    def _binary(self, frame: bytes) -> list[BridgeEvent]:
        """Interleaved samples of all channels.  Without a `start` before them, the query string is the start."""
        opened: list[BridgeEvent] = []
        if self._audio_in is None:
            if not self._query.query:
                raise EarlyError("audio before start")
            opened = self._start(_from_query(self._query))
        return [*opened, *self._received_in.receive(frame)]

    @property
    def _received_in(self) -> Interleaved:
        assert self._audio_in is not None  # nothing but start and ping gets here before start
        return self._audio_in

    def _audio(self, body: Mapping[str, Any]) -> list[BridgeEvent]:
        if "channel" not in body:
            return self._binary(json_fields.payload(body))
        audio = self._received_in.format
        try:
            pcm = AudioFormat(audio.encoding, audio.rate).decode(json_fields.payload(body))[0]
        except ValueError as exc:
            raise DialectError(str(exc)) from exc
        position = json_fields.whole(body, "position") if "position" in body else None
        return [AudioReceived(self._channel(body), pcm, position)]

    def _keywords(self, body: Mapping[str, Any]) -> list[BridgeEvent]:
        asked = Options(body)
        cleaned = clean(asked.terms("keywords"))
        if asked.warnings and not cleaned.terms:
            return [*asked.warnings]
        return [*asked.warnings, KeywordsChanged(cleaned.terms, cleaned.rejected)]

    def _mark(self, body: Mapping[str, Any]) -> list[BridgeEvent]:
        return [MarkReceived(json_fields.text(body, "name")[:128])]

    def _dtmf(self, body: Mapping[str, Any]) -> list[BridgeEvent]:
        return [DtmfReceived(self._channel(body), json_fields.digit(body))]

    def _finalize(self, body: Mapping[str, Any]) -> list[BridgeEvent]:
        return [FinalizeRequested(self._channel(body) if "channel" in body else None)]

    def _ping(self, body: Mapping[str, Any]) -> list[BridgeEvent]:
        self._out.append('{"type":"pong"}')
        return []

    def _stop(self, body: Mapping[str, Any]) -> list[BridgeEvent]:
        self._closed = True
        return [CallClosed()]

    def _channel(self, body: Mapping[str, Any]) -> int:
        channel = json_fields.whole(body, "channel", 0)
        channels = self._received_in.format.channels
        if channel >= channels:
            raise DialectError(f"channel {channel} does not exist: the call has {channels}")
        return channel


_UNDERSTOOD: dict[str, Callable[[Native, Mapping[str, Any]], list[BridgeEvent]]] = {
    "audio": Native._audio,
    "keywords": Native._keywords,
    "mark": Native._mark,
    "dtmf": Native._dtmf,
    "finalize": Native._finalize,
    "ping": Native._ping,
    "stop": Native._stop,
}


def _opened(body: Mapping[str, Any], roles: tuple[Role, ...], audio: AudioFormat) -> CallOpened:
    """The call of a `start`.  Raises DialectError for a wrong field that cannot be ignored."""
    asked = Options(body)
    cleaned = clean(asked.terms("keywords"))
    config = CallConfig(
        language=asked.read("language", options.language, "en"),
        translate_to=asked.read("translate_to", options.language, None),
        keywords=Keywords(cleaned.terms),
        partials=asked.read("partials", options.boolean, default=True),
        form=text_form(
            asked,
            asked.read("replace", pairs_of, []),
            numerals=asked.read("format", options.boolean, default=False),
        ),
        hangover_ms=asked.read("endpointing_ms", options.hangover, None),
        keep_audio=asked.read("keep_audio", options.boolean, default=True),
        speakers=options.speakers(asked, "diarize", "speakers"),
        speaker_roles=asked.read("speaker_roles", role_rule, None),
    )
    metadata = options.texts(asked.read("metadata", options.object_of, {}))
    resumption = _resumption(body, asked)
    return CallOpened(
        call_id=asked.read("call_id", _call_id, None),
        roles=roles,
        rate=audio.rate,
        encoding=audio.encoding.value,
        config=config,
        rejected_keywords=cleaned.rejected,
        metadata=options.metadata(metadata, most=32, longest=256),
        warnings=tuple(asked.warnings),
        **resumption,
    )


def _call_id(value: object) -> str:
    named = json_fields.call_id({"call_id": value}, "call_id")
    if named is None:
        raise ValueError("must be a string")
    return named


class _ResumeRequest(TypedDict):
    resumable: bool
    token: str
    after: int | None


def _resumption(body: Mapping[str, Any], asked: Options) -> _ResumeRequest:
    """The fields of a bridge that will resume or resumes a call.  An invalid `after` means the beginning."""
    token = json_fields.text(body, "token", "") if body.get("token") is not None else ""
    if token and "call_id" not in body:
        raise DialectError("token needs call_id: send the call_id from the ready message")
    return {
        "resumable": bool(token) or asked.read("resumable", options.boolean, default=False),
        "token": token[:128],
        "after": asked.read("after", options.whole, 0) if body.get("after") is not None else None,
    }


def _roles(channels: object) -> tuple[Role, ...]:
    """The roles from a number of channels, or from a list with one role for each channel."""
    if (
        isinstance(channels, int)
        and not isinstance(channels, bool)
        and 1 <= channels <= _MOST_CHANNELS
    ):
        return (Role.AGENT, Role.CUSTOMER) if channels == 2 else (Role.MIXED,) * channels
    if isinstance(channels, list) and 1 <= len(channels) <= _MOST_CHANNELS:
        try:
            return tuple(Role(role) for role in channels)
        except ValueError as exc:
            raise DialectError(f"a role is one of {', '.join(Role)}") from exc
    raise DialectError(f"channels must be a number from 1 to {_MOST_CHANNELS}, or a list of roles")


def _encoding(name: str) -> Encoding:
    if name.lower() not in _ENCODINGS:
        raise DialectError(f"unknown encoding {name[:32]!r}: send mulaw, alaw or l16")
    return _ENCODINGS[name.lower()]


def _from_query(request: Request) -> Mapping[str, Any]:
    """The fields of a `start`, from a query string."""
    body: dict[str, Any] = {"type": "start", **dict(request.query)}
    if "channels" in body:
        channels = split(body["channels"])
        body["channels"] = int(channels[0]) if channels in _COUNTS else channels
    body["keywords"] = [
        term for name, value in request.query if name == "keywords" for term in split(value)
    ]
    body.pop("metadata", None)
    return body


def _error(message: str, code: str = "bad_message", *, retryable: bool = False) -> str:
    """The `error` message before the connection is closed: a close reason has room for 120 bytes only."""
    error = {"type": "error", "code": code, "message": message, "retryable": retryable}
    return msgspec.json.encode(error).decode()
