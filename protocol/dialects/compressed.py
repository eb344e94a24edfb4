"""Binary frames of G.722 or Opus, taken like `Interleaved` takes samples."""

import numpy as np

from ..audio import AudioFormat, Encoding, Pcm
from ..bridge import AudioReceived, DialectError
from ..codecs.decoder import RATE, Codec, CodecMissingError, Decoder
from ..codecs.ogg import MAGIC, OggOpus


class Compressed:
    """Decode frames into channels at 16 kHz; of Opus each frame is a packet, or all together are Ogg."""

    def __init__(self, codec: Codec, channels: int = 1) -> None:
        """DialectError when this cannot be had; it says whose fault that is."""
        self.format = AudioFormat(Encoding.L16, RATE, channels)
        self.heard = 0
        """Samples of each channel so far."""

        self._codec = codec
        self._container: OggOpus | None = None
        try:
            self._decoder = Decoder(codec, channels)
        except (CodecMissingError, ValueError) as exc:
            raise DialectError(str(exc)) from exc

    def receive(self, frame: bytes) -> list[AudioReceived]:
        """One event for each channel, or none; DialectError when the frames are of another codec."""
        try:
            decoded = self._decode(frame)
        except ValueError as exc:
            raise DialectError(str(exc)) from exc
        channels = [np.concatenate(pieces) for pieces in zip(*decoded, strict=True)]
        if not channels or not len(channels[0]):
            return []
        self.heard += len(channels[0])
        return [AudioReceived(channel, pcm) for channel, pcm in enumerate(channels)]

    def _decode(self, frame: bytes) -> list[list[Pcm]]:
        in_ogg = self._codec is Codec.OPUS and not self.heard and frame.startswith(MAGIC)
        if in_ogg and self._container is None:
            self._container = OggOpus(self.format.channels)
        if self._container is not None:
            return self._container.decode(frame)
        return [self._decoder.decode(frame)]
