"""Binary frames that carry the samples of all channels in turn."""

from ..audio import AudioFormat
from ..bridge import AudioReceived


class Interleaved:
    """Part frames into channels; a sample may be cut in two by the end of a frame."""

    def __init__(self, audio: AudioFormat) -> None:
        self.format = audio
        self.heard = 0
        """Samples of each channel so far."""

        self._rest = b""

    def receive(self, frame: bytes) -> list[AudioReceived]:
        """What is whole by now: one event for each channel, or none."""
        audio = self._rest + frame
        whole = len(audio) - len(audio) % self.format.frame_width
        self._rest = audio[whole:]
        if not whole:
            return []
        self.heard += whole // self.format.frame_width
        return [
            AudioReceived(channel, pcm)
            for channel, pcm in enumerate(self.format.decode(audio[:whole]))
        ]
