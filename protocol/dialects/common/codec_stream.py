"""Binary frames of G.722 or Opus, with the same interface as `Interleaved`; the session decodes them."""

from ...audio import AudioFormat, Encoding
from ...bridge_events import DialectError, EncodedAudioReceived
from ...codecs.decoder import RATE, Codec, CodecMissingError
from ...codecs.frames import Frames, duration


class Compressed:
    """Frames of all channels, to be decoded at 16 kHz.  With Opus, each frame is a packet, or the stream is Ogg."""

    def __init__(self, codec: Codec, channels: int = 1) -> None:
        """Raise DialectError when the codec is not available; the text says who must act."""
        self.format = AudioFormat(Encoding.L16, RATE, channels)
        self._codec = codec
        try:
            self._frames = Frames(codec, channels)
        except (CodecMissingError, ValueError) as exc:
            raise DialectError(str(exc)) from exc

    @property
    def encoding(self) -> str:
        """Name of the codec."""
        return self._codec.value

    @property
    def heard(self) -> int:
        """Samples of each channel decoded so far, at 16 kHz."""
        return self._frames.heard

    def receive(self, frame: bytes) -> list[EncodedAudioReceived]:
        """Return one event for all channels; none for an empty frame."""
        return [EncodedAudioReceived(frame, self._frames)] if frame else []

    def duration(self, packet: bytes) -> int:
        """Length of a packet in samples of each channel, at 16 kHz; it cannot be determined for Ogg."""
        return duration(self._codec, packet) if packet else 0
