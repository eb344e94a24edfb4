"""Binary frames of G.722 or Opus, taken like `Interleaved` takes samples; the session decodes them."""

from ...audio import AudioFormat, Encoding
from ...bridge_events import DialectError, EncodedAudioReceived
from ...codecs.decoder import RATE, Codec, CodecMissingError
from ...codecs.frames import Frames, duration


class Compressed:
    """Frames of all channels, to be decoded at 16 kHz; of Opus each frame is a packet, or all together are Ogg."""

    def __init__(self, codec: Codec, channels: int = 1) -> None:
        """DialectError when this cannot be had; it says whose fault that is."""
        self.format = AudioFormat(Encoding.L16, RATE, channels)
        self._codec = codec
        try:
            self._frames = Frames(codec, channels)
        except (CodecMissingError, ValueError) as exc:
            raise DialectError(str(exc)) from exc

    @property
    def heard(self) -> int:
        """Samples of each channel that were decoded so far."""
        return self._frames.heard

    def receive(self, frame: bytes) -> list[EncodedAudioReceived]:
        """One event for all channels, or none."""
        return [EncodedAudioReceived(frame, self._frames)] if frame else []

    def duration(self, packet: bytes) -> int:
        """Samples of each channel that a packet stands for; of Ogg it cannot be told from outside."""
        return duration(self._codec, packet) if packet else 0
