"""
Twilio Media Streams, either flavour: we only listen.

https://www.twilio.com/docs/voice/media-streams/websocket-messages
Numbers come as strings; each track counts milliseconds of stream time.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from .. import call
from ..audio import Encoding, decode
from ..bridge import (
    AudioReceived,
    BridgeEvent,
    CallClosed,
    CallOpened,
    DialectError,
    DtmfReceived,
    MarkReceived,
)
from ..call import CallConfig, Keywords, Role
from ..clock import CALL_RATE
from ..events import Entry
from ..keywords import clean, split
from . import fields
from .base import Message, Request

_DEFAULT_ROLES = {"inbound": Role.CUSTOMER, "outbound": Role.AGENT}
"""Inbound is what Twilio receives from the leg that is tapped: usually the customer's."""


class Twilio:
    """A Media Streams connection.  Keywords, language, call id and roles come as custom parameters."""

    name: ClassVar[str] = "twilio"

    def __init__(self, request: Request) -> None:
        self._tracks: tuple[str, ...] = ()
        self._ended = False

    def receive(self, message: Message) -> list[BridgeEvent]:
        """What Twilio means; DialectError for what it may not say."""
        if self._ended:
            return []
        body = fields.parse(message)
        match fields.text(body, "event"):
            case "start":
                return self._start(fields.member(body, "start"))
            case "media":
                return self._media(fields.member(body, "media"))
            case "dtmf":
                dtmf = fields.member(body, "dtmf")
                return [DtmfReceived(self._channel(dtmf), fields.text(dtmf, "digit")[:1])]
            case "mark":
                return self._mark(fields.member(body, "mark"))
            case "stop":
                self._ended = True
                return [CallClosed()] if self._tracks else []
            case _:  # connected, and whatever Twilio adds next year
                return []

    def opened(self, call_id: str) -> None:
        """Twilio named the call itself."""

    def tell(self, entry: Entry) -> None:
        """Media Streams has no place for text; subscribers read it elsewhere."""

    def outbox(self) -> list[Message]:
        """Nothing may be sent on a one-way stream (Twilio's error 31924)."""
        return []

    def _start(self, start: Mapping[str, Any]) -> list[BridgeEvent]:
        if self._tracks:
            raise DialectError("a second start")
        _check_format(fields.member(start, "mediaFormat"))
        tracks = tuple(fields.strings(start, "tracks"))
        if not tracks or not set(tracks) <= set(_DEFAULT_ROLES) or len(set(tracks)) < len(tracks):
            raise DialectError("tracks must be inbound, outbound or both")
        said = start.get("customParameters") or {}
        if not isinstance(said, dict):
            raise DialectError("customParameters must be an object")
        parameters = {str(key): str(value) for key, value in said.items()}
        try:
            opened = _opened(start, tracks, parameters)
        except ValueError as exc:
            raise DialectError(str(exc)) from exc
        self._tracks = tracks
        return [opened]

    def _media(self, media: Mapping[str, Any]) -> list[BridgeEvent]:
        pcm = decode(fields.payload(media), Encoding.MULAW)
        position = fields.whole(media, "timestamp") * CALL_RATE // 1_000
        channel = self._channel(media)
        return [AudioReceived(channel, pcm, position)] if len(pcm) else []

    def _mark(self, mark: Mapping[str, Any]) -> list[BridgeEvent]:
        self._require_start("mark")
        return [MarkReceived(fields.text(mark, "name")[:128])]

    def _channel(self, body: Mapping[str, Any]) -> int:
        """`media` says inbound, `dtmf` says inbound_track."""
        self._require_start("media")
        track = fields.text(body, "track", self._tracks[0]).removesuffix("_track")
        if track not in self._tracks:
            raise DialectError(f"track {track[:32]!r} was not announced by start")
        return self._tracks.index(track)

    def _require_start(self, kind: str) -> None:
        if not self._tracks:
            raise DialectError(f"{kind} before start")


def _check_format(media_format: Mapping[str, Any]) -> None:
    encoding = fields.text(media_format, "encoding", "audio/x-mulaw")
    rate = fields.whole(media_format, "sampleRate", CALL_RATE)
    if encoding != "audio/x-mulaw" or rate != CALL_RATE:
        raise DialectError(
            f"Media Streams carry audio/x-mulaw at 8000, not {encoding[:32]!r} at {rate}"
        )


def _opened(
    start: Mapping[str, Any], tracks: tuple[str, ...], parameters: Mapping[str, str]
) -> CallOpened:
    """ValueError or DialectError when a parameter is wrong."""
    named = parameters.get("call_id") or parameters.get("callId")
    cleaned = clean(split(parameters.get("keywords", "")))
    roles = _roles(parameters.get("roles", ""))
    translate_to = parameters.get("translate_to") or parameters.get("translateTo")
    return CallOpened(
        call_id=call.call_id(named or fields.text(start, "callSid")),
        roles=tuple(roles[track] for track in tracks),
        config=CallConfig(
            language=call.language(parameters.get("language", "en")),
            translate_to=call.language(translate_to) if translate_to else None,
            keywords=Keywords(cleaned.terms),
        ),
        rejected_keywords=cleaned.rejected,
        metadata=tuple((key[:256], value[:256]) for key, value in list(parameters.items())[:32]),
    )


def _roles(text: str) -> dict[str, Role]:
    """`inbound:agent,outbound:customer`; what is not said keeps its default."""
    roles = dict(_DEFAULT_ROLES)
    for pair in split(text):
        track, _, role = pair.partition(":")
        if track.strip() not in roles or role.strip() not in list(Role):
            raise DialectError("roles are written inbound:customer,outbound:agent")
        roles[track.strip()] = Role(role.strip())
    return roles
