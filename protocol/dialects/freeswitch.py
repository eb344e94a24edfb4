"""
FreeSWITCH's mod_audio_fork and mod_audio_stream, and the `listen` verb of jambonz.

https://github.com/drachtio/drachtio-freeswitch-modules  https://github.com/amigniter/mod_audio_stream
The module sends one text message of metadata, if there is any, then 16-bit samples.  It does not announce rate and
channels, so they must be in the URL or in the metadata.  The gateway sends transcripts as
`{"type":"transcription","data":{...}}`, which both modules pass to the dialplan as an event.
"""

import re
from collections.abc import Sequence
from typing import Any, ClassVar

from ..audio import AudioFormat, Encoding
from ..bridge_events import (
    BridgeEvent,
    BridgeWarning,
    CallClosed,
    CodedAudio,
    DialectError,
    DtmfReceived,
    EarlyError,
    KeywordsChanged,
    WarningCode,
)
from ..calls.call import Role
from ..events import Entry
from ..events.event_codec import EventJsonWriter
from . import jambonz
from .base import Message, Request
from .common import call_parameters, json_fields
from .common.deinterleave import Interleaved

_SIDES = {"read": Role.CUSTOMER, "write": Role.AGENT}
"""Channels in stereo: audio from the tapped leg (`read`), and audio to it (`write`)."""

_MIXES = ("mono", "mixed", "stereo")
_RATE = re.compile(r"(\d{1,6})(k|kHz)?", re.ASCII | re.IGNORECASE)
_JAMBONZ = "audio.jambonz.org"
_CALL_IDS = ("uuid", "callSid", "callUuid", "x-call-id")


class FreeSwitch:
    """One connection: the audio of one tapped leg."""

    name: ClassVar[str] = "freeswitch"

    def __init__(self, request: Request) -> None:
        self._request = request
        self._audio: Interleaved | None = None
        self._closed = False
        self._is_unnamed = False
        self._event_writer = EventJsonWriter("")
        self._out: list[Message] = []
        headers = dict(request.headers)
        self._listens = _JAMBONZ not in headers.get("sec-websocket-protocol", "")
        self._call_ids = _CALL_IDS if self._listens else ("callSid", *_CALL_IDS)

    def receive(self, message: Message) -> list[BridgeEvent]:
        """See Dialect."""
        if self._closed:
            return []
        if isinstance(message, str):
            return self._text(message)
        if self._audio is None:
            raise EarlyError("audio before metadata")
        if (
            not message
        ):  # `graceful-shutdown`: the module waits for the last transcripts and for us to close
            self._closed = True
            return [CallClosed()]
        return [*self._audio.receive(message)]

    def open_late(self) -> list[BridgeEvent]:
        """Open the call without metadata, with the parameters in URL and headers."""
        self._is_unnamed = True
        return self._open({})

    def audio(self, message: Message) -> Sequence[CodedAudio] | None:
        """See PlainAudio."""
        return None if self._audio is None or self._closed else self._audio.plain(message)

    def opened(self, call_id: str) -> None:
        """Set the call id, which all sent events carry."""
        self._event_writer = EventJsonWriter(call_id)

    def notify(self, entry: Entry) -> None:
        """Send every event in its public form; nothing to jambonz, whose `listen` has no such message."""
        if self._listens:
            event = self._event_writer.write(entry)
            self._out.append('{"type":"transcription","data":' + event + "}")

    def outbox(self) -> list[Message]:
        """See Dialect."""
        out, self._out = self._out, []
        return out

    def _text(self, message: str) -> list[BridgeEvent]:
        """The first text is metadata; of later texts only DTMF digits are understood."""
        try:
            body = dict(json_fields.parse(message))
        except DialectError:
            body = {"metadata": message}  # the module sends metadata verbatim: it may be any text
        if self._audio is None:
            return self._open(body)
        if body.get("event") == "dtmf":
            return [DtmfReceived(0, json_fields.digit(body, "dtmf"))]
        return self._late(body) if self._is_unnamed else []

    def _late(self, metadata: dict[str, Any]) -> list[BridgeEvent]:
        """Metadata that came after the call was opened without it: only its keywords are used, from now on."""
        self._is_unnamed = False
        call_params = call_parameters.parse_parameters(
            call_parameters.strings(jambonz.sites_own(metadata))
        )
        late = (
            "metadata arrived more than a second after the first audio: only its keywords are used"
        )
        keywords = call_params.config.keywords.terms
        return [
            BridgeWarning(WarningCode.OPTION_IGNORED, late),
            *([KeywordsChanged(keywords, call_params.rejected_keywords)] if keywords else []),
        ]

    def _open(self, metadata: dict[str, Any]) -> list[BridgeEvent]:
        parameters = [
            *self._request.headers,
            *call_parameters.strings(metadata),
            *self._request.query,
        ]
        said = dict(parameters)
        mix = said.get("mix") or said.get("mixType") or "mono"
        if mix not in _MIXES:
            raise DialectError(f"mix must be one of {', '.join(_MIXES)}, as in uuid_audio_fork")
        stereo = mix == "stereo"
        rate = said.get("rate") or said.get("sampleRate") or said.get("sample_rate") or "8000"
        audio = _format(rate, 2 if stereo else 1)
        asked = [*call_parameters.strings(jambonz.sites_own(metadata)), *self._request.query]
        call_params = call_parameters.parse_parameters(asked, _SIDES if stereo else None)
        roles = tuple(call_params.roles.values()) or (call_parameters.role_of(asked),)
        call_id = next(
            (found for name in self._call_ids if (found := json_fields.call_id(said, name))), None
        )
        self._audio = Interleaved(audio)
        return [call_params.open(call_id, roles, audio.rate, audio.encoding.value)]


def _format(rate: str, channels: int) -> AudioFormat:
    said = _RATE.fullmatch(rate.strip())
    if said is None:
        raise DialectError(f"rate {rate[:16]!r} is not a sample rate: fork with 8k or 16k")
    try:
        return AudioFormat(Encoding.L16, int(said[1]) * (1_000 if said[2] else 1), channels)
    except ValueError as exc:
        raise DialectError(str(exc)) from exc
