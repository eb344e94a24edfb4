"""
Vonage Voice: a WebSocket as one leg of a call; the gateway only receives.

https://developer.vonage.com/en/voice/voice-api/concepts/websockets
The first text message has the headers of the NCCO.  Then come 16-bit samples of the mixed call, or of the legs that
`canHear` selects.
"""

from collections.abc import Sequence
from typing import ClassVar

from ..audio import AudioFormat, Encoding
from ..bridge_events import BridgeEvent, CodedAudio, DialectError, DtmfReceived, EarlyError
from ..events import Entry
from .base import Message, Request
from .common import call_parameters, json_fields
from .common.deinterleave import Interleaved
from .common.track_audio import encoding_of


class Vonage:
    """One connection: one leg of a call."""

    name: ClassVar[str] = "vonage"

    def __init__(self, request: Request) -> None:
        self._request = request
        self._audio: Interleaved | None = None

    def receive(self, message: Message) -> list[BridgeEvent]:
        """See Dialect."""
        if isinstance(message, bytes):
            if self._audio is None:
                raise EarlyError("audio before websocket:connected")
            return [*self._audio.receive(message)]
        body = json_fields.parse(message)
        match json_fields.kind(body, "event"):
            case "websocket:connected":
                return self._start(dict(body))
            case "websocket:dtmf":
                if self._audio is None:
                    raise EarlyError("websocket:dtmf before websocket:connected")
                return [DtmfReceived(0, json_fields.digit(body))]
            case _:  # cleared and notify concern playback, which is not used
                return []

    def audio(self, message: Message) -> Sequence[CodedAudio] | None:
        """See PlainAudio."""
        return None if self._audio is None else self._audio.plain(message)

    def opened(self, call_id: str) -> None:
        """Do nothing: nothing is sent to Vonage."""

    def notify(self, entry: Entry) -> None:
        """Do nothing: the protocol carries no text; listeners read the call's events from the gateway."""

    def outbox(self) -> list[Message]:
        """Return nothing."""
        return []

    def _start(self, body: dict[str, object]) -> list[BridgeEvent]:
        if self._audio is not None:
            raise DialectError("a second websocket:connected: one connection carries one call")
        content_type = json_fields.text(body, "content-type")
        name, rate = encoding_of(content_type)
        if name != "l16" or rate is None:
            raise DialectError(
                f"content-type {content_type[:48]!r} is not supported: send audio/l16;rate=8000 to 48000"
            )
        try:
            audio = AudioFormat(Encoding.L16, rate)
        except ValueError as exc:
            raise DialectError(str(exc)) from exc
        parameters = [*self._request.query, *call_parameters.strings(body)]
        call_params = call_parameters.parse_parameters(parameters)
        # Prefer the id of the leg, if the site passes it; the id of the conversation is shared by all legs.
        named = json_fields.call_id(body, "uuid") or json_fields.call_id(body, "conversation_uuid")
        opened = call_params.open(
            named, (call_parameters.role_of(parameters),), rate, audio.encoding.value
        )
        self._audio = Interleaved(audio)
        return [opened]
