"""
Media Streams, as Twilio and the vendors of similar formats send it; the gateway only receives.

https://www.twilio.com/docs/voice/media-streams/websocket-messages
Numbers come as strings.  Each track counts milliseconds of stream time.  The differences between the vendors are in
`vendors`.
"""

import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from msgspec import UnsetType

from ...bridge_events import (
    BridgeEvent,
    CallClosed,
    CodedAudio,
    DialectError,
    DtmfReceived,
    EarlyError,
    MarkReceived,
)
from ...calls.keywords import split
from ...clock import CALL_RATE
from ...events import Entry
from ..base import Message, Request
from ..common import call_parameters, json_fields, options
from ..common.options import Options
from ..common.timestamps import Stamps
from ..common.track_audio import TrackAudio, encoding_of
from .media_message import media_of
from .vendors import TWILIO, Vendor

_PAIR = re.compile(r"([^=;,\s]+)=([^;,]*)")


class MediaStreams:
    """
    The dialect of Twilio Media Streams.  A connection carries one stream.

    Keywords, language, call id and roles come as custom parameters of the stream or in the query string.
    """

    def __init__(self, request: Request, vendor: Vendor = TWILIO) -> None:
        self._request = request
        self._vendor = vendor
        self._audio: tuple[TrackAudio, ...] = ()
        self._tracks: tuple[str, ...] = ()
        self._stamps = Stamps()
        self._ended = False

    @property
    def name(self) -> str:
        """The name of the vendor."""
        return self._vendor.name

    def receive(self, message: Message) -> list[BridgeEvent]:
        """See Dialect."""
        if self._ended:
            return []
        body = json_fields.parse(message)
        match json_fields.kind(body, "event"):
            case "start":
                return self._start(body)
            case "media":
                return self._media(json_fields.member(body, "media"))
            case "dtmf":
                dtmf = json_fields.member(body, "dtmf")
                return [DtmfReceived(self._channel(dtmf), json_fields.digit(dtmf))]
            case "mark":
                return self._mark(json_fields.member(body, "mark"))
            case "stop":
                self._ended = True
                return [CallClosed()] if self._tracks else []
            case _:  # connected, and events that may be added later
                return []

    def audio(self, message: Message) -> Sequence[CodedAudio] | None:
        """See PlainAudio."""
        if isinstance(message, bytes) or not self._tracks or self._ended:
            return None
        if (media := media_of(message)) is None:
            return None
        track = self._tracks[0] if isinstance(media.track, UnsetType) else media.track
        try:
            channel, stamp = self._tracks.index(track.removesuffix("_track")), media.stamp
        except ValueError:
            return None
        return self._audio[channel].coded(
            media.payload, channel, lambda samples: self._place(channel, stamp, samples)
        )

    def opened(self, call_id: str) -> None:
        """Do nothing: the bridge chose the id of the call."""

    def notify(self, entry: Entry) -> None:
        """Do nothing: Media Streams carries no text; listeners read the call's events from the gateway."""

    def outbox(self) -> list[Message]:
        """Return nothing: a one-way stream accepts no messages (Twilio's error 31924)."""
        return []

    def _start(self, body: Mapping[str, Any]) -> list[BridgeEvent]:
        if self._tracks:
            raise DialectError("a second start: one stream carries one call")
        start = json_fields.member(body, "start")
        asked = Options({**body, **start})
        parameters = self._parameters(asked)
        tracks = self._announced(asked, dict(parameters))
        call_params = call_parameters.parse_parameters(parameters, self._vendor.roles)
        audio = tuple(self._track_audio(start, dict(parameters)) for _ in tracks)
        rate = audio[0].format.rate
        opened = call_params.open(
            json_fields.call_id(start, self._vendor.call_id),
            tuple(call_params.roles[track] for track in tracks),
            rate,
            audio[0].encoding,
            warnings=asked.warnings,
            expected=self._vendor.call_id,
        )
        self._tracks, self._audio = tracks, audio
        self._stamps = Stamps(
            rate,
            tolerance_ms=self._vendor.tolerance_ms,
            wall_clock=self._vendor.wall_clock,
        )
        return [opened]

    def _announced(self, asked: Options, parameters: Mapping[str, str]) -> tuple[str, ...]:
        """The tracks of the stream, in the order of their channels."""
        known = self._vendor.roles
        said = asked.terms("tracks") or split(parameters.get("tracks", ""))
        tracks = tuple(dict.fromkeys(track for track in said if track in known))
        if said and tracks != tuple(said):
            asked.ignore("tracks", f"they must be among {', '.join(known)}, each once")
        return tracks or self._vendor.assumed

    def _parameters(self, asked: Options) -> list[tuple[str, str]]:
        """The site's parameters: URL, then headers, then custom parameters; the last value of a name counts."""
        said = asked.read(self._vendor.parameters, options.object_of, {})
        beside = asked.read("extra_headers", _headers, []) if self._vendor.extra_headers else []
        return [*self._request.query, *beside, *call_parameters.strings(said)]

    def _media(self, media: Mapping[str, Any]) -> list[BridgeEvent]:
        channel = self._channel(media, "media")
        stamp = json_fields.whole(media, "timestamp") if "timestamp" in media else None
        return self._audio[channel].receive(
            json_fields.payload(media), channel, partial(self._place, channel, stamp)
        )

    def _place(self, channel: int, stamp: int | None, samples: int) -> int:
        if stamp is None:
            return self._stamps.follow(channel, samples)
        return self._stamps.position(channel, stamp, samples)

    def _mark(self, mark: Mapping[str, Any]) -> list[BridgeEvent]:
        self._require_start("mark")
        return [MarkReceived(json_fields.text(mark, "name")[:128])]

    def _channel(self, body: Mapping[str, Any], kind: str = "dtmf") -> int:
        """The channel of a track: `media` has `inbound`, `dtmf` has `inbound_track`, some vendors name none."""
        self._require_start(kind)
        track = json_fields.text(body, "track", self._tracks[0]).removesuffix("_track")
        if track not in self._tracks:
            raise DialectError(f"track {track[:32]!r} was not announced by start")
        return self._tracks.index(track)

    def _require_start(self, kind: str) -> None:
        if not self._tracks:
            raise EarlyError(f"{kind} before start")

    def _track_audio(self, start: Mapping[str, Any], parameters: Mapping[str, str]) -> TrackAudio:
        """The audio format that `start` declares; the rate may also be in the encoding or in the URL."""
        vendor = self._vendor
        declared = start.get(vendor.media_format)
        declared = declared if isinstance(declared, dict) else {}
        said = json_fields.text(declared, "encoding", next(iter(vendor.encodings)))
        name, named_rate = encoding_of(said)
        if name not in vendor.encodings:
            raise DialectError(
                f"{vendor.name} may send {', '.join(vendor.encodings)}, not {said[:32]!r}"
            )
        default = named_rate or json_fields.whole(parameters, "sample-rate", CALL_RATE)
        rate = json_fields.whole(declared, vendor.sample_rate, default)
        try:
            return TrackAudio(vendor.encodings[name], rate, network_order=vendor.network_order)
        except ValueError as exc:
            raise DialectError(str(exc)) from exc


def _headers(value: object) -> list[tuple[str, str]]:
    """Parameters written `a=1;b=2` or as a JSON object.  Raises ValueError for other values."""
    if isinstance(value, dict) or str(value).lstrip().startswith("{"):
        return list(options.texts(options.object_of(value)))
    if not isinstance(value, str):
        raise ValueError("must be a string such as a=1;b=2")  # noqa: TRY004  # one kind of fault
    return _PAIR.findall(value)
