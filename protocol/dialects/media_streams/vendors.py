"""
Who speaks Twilio's language, and with which accent.

Sources: the vendors' pages on media streaming, named at each entry.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ...audio import Encoding
from ...call import Role
from ...codecs.decoder import Codec

_INBOUND_OUTBOUND = {"inbound": Role.CUSTOMER, "outbound": Role.AGENT}
"""Inbound is what the platform receives from the leg that is tapped: usually the customer's."""


@dataclass(frozen=True, slots=True)
class Vendor:
    """One accent: where things stand in `start`, and what the numbers mean."""

    name: str
    call_id: str = "callSid"
    """Field of `start`."""

    media_format: str = "mediaFormat"
    sample_rate: str = "sampleRate"
    """Field of the media format, in Hz."""

    parameters: str = "customParameters"
    extra_headers: bool = False
    """Whether parameters may also stand beside `start`, written `a=1;b=2`."""

    encodings: Mapping[str, Encoding | Codec] = field(
        default_factory=lambda: {"mulaw": Encoding.MULAW}
    )
    """By name, as `encoding_of` reads it; the first one is taken where none is said."""

    network_order: bool = False
    """Whether 16-bit samples may be in network byte order: they are an RTP payload, and no page tells."""

    roles: Mapping[str, Role] = field(default_factory=lambda: dict(_INBOUND_OUTBOUND))
    """Of all tracks that there can be."""

    assumed: tuple[str, ...] = ("inbound", "outbound")
    """The tracks of a stream that does not announce them; a parameter `tracks` says otherwise."""

    tolerance_ms: int = 10
    """Half of the shortest frame: a timestamp that misses its place by less is rounded, not a loss."""

    wall_clock: bool = False
    """Timestamps are the time of day, not of the stream."""


TWILIO = Vendor("twilio")
"""https://www.twilio.com/docs/voice/media-streams/websocket-messages"""

SIGNALWIRE = Vendor(
    "signalwire",
    encodings={
        "mulaw": Encoding.MULAW,
        "pcmu": Encoding.MULAW,
        "alaw": Encoding.ALAW,
        "pcma": Encoding.ALAW,
        "l16": Encoding.L16,
        "g722": Codec.G722,
        "opus": Codec.OPUS,
    },
    network_order=True,
)
"""https://developer.signalwire.com/compatibility-api/cxml/voice/stream"""

TELNYX = Vendor(
    "telnyx",
    call_id="call_control_id",
    media_format="media_format",
    sample_rate="sample_rate",
    parameters="custom_parameters",
    encodings={
        "pcmu": Encoding.MULAW,
        "pcma": Encoding.ALAW,
        "l16": Encoding.L16,
        "g722": Codec.G722,
        "opus": Codec.OPUS,
    },
    network_order=True,
)
"""https://developers.telnyx.com/docs/voice/programmable-voice/media-streaming  Frames may change places."""

PLIVO = Vendor(
    "plivo",
    call_id="callId",
    extra_headers=True,
    encodings={"l16": Encoding.L16, "mulaw": Encoding.MULAW},
    tolerance_ms=100,  # read off a clock when the frame is sent: late by as much as the sender is
    wall_clock=True,
)
"""https://www.plivo.com/docs/voice-agents/audio-streaming/concepts/audio-streaming-reference"""

EXOTEL = Vendor(
    "exotel",
    call_id="call_sid",
    media_format="media_format",
    sample_rate="sample_rate",
    parameters="custom_parameters",
    encodings={
        "raw/slin": Encoding.L16,
        "raw": Encoding.L16,
        "slin": Encoding.L16,
        "pcm": Encoding.L16,
        "l16": Encoding.L16,
        "base64": Encoding.L16,
        "mulaw": Encoding.MULAW,
    },
    assumed=("inbound",),
)
"""https://developer.exotel.com/docs/agentstream/stream-voicebot-applet  Its one track has no name by default."""
