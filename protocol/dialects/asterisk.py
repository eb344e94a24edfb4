"""
Asterisk's chan_websocket: the gateway only receives.  It sends nothing, because Asterisk would log warnings.

https://docs.asterisk.org/Configuration/Channel-Drivers/WebSocket/ MEDIA_START comes first, as plain text or as JSON
(`f(json)`).  Parameters are in the URL (`v(...)`) or, in JSON mode, in channel variables, which take precedence.
Asterisk sends nothing while a channel is silent, and frames have no sequence number.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from ..audio import AudioFormat, Encoding
from ..bridge_events import BridgeEvent, CodedAudio, DialectError, DtmfReceived, EarlyError
from ..codecs.decoder import Codec
from ..events import Entry
from .base import Message, Request
from .common import call_parameters, json_fields, options
from .common.codec_stream import Compressed
from .common.deinterleave import Interleaved
from .common.options import Options

_FORMATS = {
    "ulaw": AudioFormat(Encoding.MULAW),
    "alaw": AudioFormat(Encoding.ALAW),
    "slin": AudioFormat(Encoding.L16),
    "slin12": AudioFormat(Encoding.L16, 12_000),
    "slin16": AudioFormat(Encoding.L16, 16_000),
    "slin24": AudioFormat(Encoding.L16, 24_000),
    "slin32": AudioFormat(Encoding.L16, 32_000),
    "slin44": AudioFormat(Encoding.L16, 44_100),
    "slin48": AudioFormat(Encoding.L16, 48_000),
}
_CODECS = {"g722": Codec.G722, "opus": Codec.OPUS}


class Asterisk:
    """One WebSocket channel: one side of a call, or the mixed call."""

    name: ClassVar[str] = "asterisk"

    def __init__(self, request: Request) -> None:
        self._request = request
        self._audio: Interleaved | Compressed | None = None

    def receive(self, message: Message) -> list[BridgeEvent]:
        """See Dialect."""
        if isinstance(message, bytes):
            if self._audio is None:
                raise EarlyError("audio before MEDIA_START")
            return [*self._audio.receive(message)]
        body = _words(message)
        match json_fields.kind(body, "event"):
            case "MEDIA_START":
                return self._start(body)
            case "DTMF_END":
                if self._audio is None:
                    raise EarlyError("DTMF_END before MEDIA_START")
                return [DtmfReceived(0, json_fields.digit(body))]
            case _:  # STATUS, MEDIA_XON and others concern playback, which is not used
                return []

    def audio(self, message: Message) -> Sequence[CodedAudio] | None:
        """See PlainAudio."""
        return self._audio.plain(message) if isinstance(self._audio, Interleaved) else None

    def opened(self, call_id: str) -> None:
        """Do nothing: Asterisk chose the id of the call."""

    def notify(self, entry: Entry) -> None:
        """Do nothing: the protocol carries no text; listeners read the call's events from the gateway."""

    def outbox(self) -> list[Message]:
        """Return an empty list: the gateway sends no messages to Asterisk."""
        return []

    def _start(self, body: Mapping[str, Any]) -> list[BridgeEvent]:
        if self._audio is not None:
            raise DialectError("a second MEDIA_START: one connection carries one channel")
        codec = json_fields.text(body, "format")
        if codec not in _FORMATS and codec not in _CODECS:
            raise DialectError(
                f"format {codec[:32]!r} is not supported: dial with c(FORMAT), "
                f"FORMAT one of {', '.join([*_FORMATS, *_CODECS])}"
            )
        asked = Options(body)
        variables = asked.read("channel_variables", options.object_of, {})
        # Asterisk (22.10, for example) keeps the last v(...) of a client: the URL may describe the previous call.
        parameters = [*self._request.query, *call_parameters.strings(variables)]
        call_params = call_parameters.parse_parameters(parameters)
        # connection_id is the name of a client in a configuration file, the same for all its calls.
        named = call_params.call_id or json_fields.call_id(body, "channel_id")
        own = replace(
            call_params, call_id=named if call_params.joins else _of_its_own(named, parameters)
        )
        audio = Compressed(_CODECS[codec]) if codec in _CODECS else Interleaved(_FORMATS[codec])
        opened = own.open(
            None,
            (call_parameters.role_of(parameters),),
            audio.format.rate,
            audio.encoding,
            warnings=asked.warnings,
            expected="channel_id",
        )
        self._audio = audio
        return [opened]


def _of_its_own(call_id: str | None, parameters: list[tuple[str, str]]) -> str | None:
    """The id of a stream that does not join others: `leg` or `track` is added, so that streams do not collide."""
    said = dict(parameters)
    tap = said.get("leg") or said.get("track")
    return call_parameters.extended(call_id, tap) if call_id and tap else call_id


def _words(message: str) -> Mapping[str, Any]:
    """The fields of a message `EVENT name:value name:value`, or of the same as JSON."""
    if message.startswith("{"):
        return json_fields.parse(message)
    event, *pairs = message.split()[:64] or [""]
    return {"event": event} | dict(pair.split(":", 1) for pair in pairs if ":" in pair)
