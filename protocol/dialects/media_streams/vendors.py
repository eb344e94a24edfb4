"""
The vendors with a variant of Twilio's Media Streams, and their differences.

Sources: the vendors' pages on media streaming, linked at each entry.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ...audio import Encoding
from ...calls.call import Role
from ...codecs.decoder import Codec

_INBOUND_OUTBOUND = {"inbound": Role.CUSTOMER, "outbound": Role.AGENT}
"""Inbound is the audio that the platform receives from the tapped leg, usually the customer's."""


@dataclass(frozen=True, slots=True)
class Vendor:
    """One variant: the names of the fields in `start`, and the meaning of timestamps and tracks."""

    name: str
    call_id: str = "callSid"
    """Field of `start` with the id of the call."""

    media_format: str = "mediaFormat"
    sample_rate: str = "sampleRate"
    """Field of the media format with the sample rate in Hz."""

    parameters: str = "customParameters"
    extra_headers: bool = False
    """Whether parameters may also be in a field `extra_headers`, written `a=1;b=2`."""

    encodings: Mapping[str, Encoding | Codec] = field(
        default_factory=lambda: {"mulaw": Encoding.MULAW}
    )
    """By name, as `encoding_of` returns it; the first one is the default."""

    network_order: bool = False
    """
    Whether 16-bit samples may be in network byte order: they are an RTP payload, and the documents do not say.
    """

    roles: Mapping[str, Role] = field(default_factory=lambda: dict(_INBOUND_OUTBOUND))
    """The role of each possible track."""

    assumed: tuple[str, ...] = ("inbound", "outbound")
    """The tracks of a stream that does not announce them; the parameter `tracks` overrides this."""

    tolerance_ms: int = 10
    """Half of the shortest frame.  A smaller deviation of a timestamp is a rounding error, not a loss."""

    wall_clock: bool = False
    """Whether timestamps are wall-clock time, not stream time."""


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
"""https://developers.telnyx.com/docs/voice/programmable-voice/media-streaming  Frames may arrive out of order."""

PLIVO = Vendor(
    "plivo",
    call_id="callId",
    extra_headers=True,
    encodings={"l16": Encoding.L16, "mulaw": Encoding.MULAW},
    tolerance_ms=100,  # taken from a clock when the frame is sent: it includes the delay of the sender
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
