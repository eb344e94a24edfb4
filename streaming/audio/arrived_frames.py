"""Frames of one channel between the jitter buffer and the next tick.  Pure."""

import numpy as np

from protocol.audio import Pcm, decode
from protocol.bridge_events import CodedAudio
from protocol.events import Span


class ArrivedFrames:
    """
    Frames in order that the next tick processes.  While the call is paused, frames are dropped and counted.

    Positions are samples at the bridge's rate.
    """

    def __init__(self, position: int, *, is_paused: bool) -> None:
        """`position`: the first sample of the next frame."""
        self._position = position
        self._samples = 0
        self.urgent_from = 0
        """Waiting samples with which the channel is urgent."""

        self.is_paused = is_paused
        self._frames: list[Pcm | CodedAudio] = []
        self._dropped: Span | None = None

    @property
    def position(self) -> int:
        """First sample that no tick has processed."""
        return self._position

    @position.setter
    def position(self, position: int) -> None:
        self._position = position

    @property
    def samples(self) -> int:
        """Number of samples that wait for the next tick."""
        return self._samples

    @property
    def is_urgent(self) -> bool:
        """Whether the waiting audio is long, or may end a segment."""
        return self._samples >= self.urgent_from

    def add(self, start: int, pcm: Pcm) -> bool:
        """
        Take a frame in order: int16 `[n]`, its first sample at `start`.

        Returns whether the batcher must know: no other frame waits, or the channel is urgent.
        """
        if self.is_paused:
            self.drop(start, start + len(pcm))
            return False
        return self._keep(pcm, len(pcm))

    def add_coded(self, start: int, audio: CodedAudio) -> bool:
        """As `add`, for a frame that is decoded when it is taken."""
        if self.is_paused:
            self.drop(start, start + audio.samples)
            return False
        return self._keep(audio, audio.samples)

    def _keep(self, frame: Pcm | CodedAudio, samples: int) -> bool:
        self._frames.append(frame)
        before, self._samples = self._samples, self._samples + samples
        return not before or self._samples >= self.urgent_from

    def drop(self, start: int, end: int) -> None:
        """Count audio of a pause.  It follows what was dropped before."""
        first = start if self._dropped is None else self._dropped.start
        self._dropped = Span(first, end)

    def take(self) -> tuple[int, Pcm]:
        """
        Remove the waiting frames.

        Returns the position of the first sample, and the samples: int16 `[n]`.
        """
        start, frames = self._position, self._frames
        self._position += self._samples
        self._frames, self._samples = [], 0
        return start, _decoded(frames) if frames else np.zeros(0, dtype=np.int16)

    def take_dropped(self) -> Span | None:
        """Return what was dropped since the last time; None if nothing was."""
        dropped, self._dropped = self._dropped, None
        return dropped


def _decoded(frames: list[Pcm | CodedAudio]) -> Pcm:
    """Return the samples of frames; those of one encoding are decoded together."""
    first = frames[0]
    if isinstance(first, CodedAudio):
        alike = [
            frame.payload
            for frame in frames
            if isinstance(frame, CodedAudio) and frame.encoding is first.encoding
        ]
        if len(alike) == len(frames):
            return decode(alike[0] if len(alike) == 1 else b"".join(alike), first.encoding)
    parts = [_samples(frame) for frame in frames]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _samples(frame: Pcm | CodedAudio) -> Pcm:
    return decode(frame.payload, frame.encoding) if isinstance(frame, CodedAudio) else frame
