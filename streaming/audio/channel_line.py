"""
Frames of one channel at 8 kHz in the compiled step (`native/src/line.c`), which runs many channels at once.

A run decodes nothing and calls nobody: it returns the channels for which there is work in Python.  These are a
boundary, 80 ms more of an open segment, a pause, a digit, a block of line quality, or audio of which the arrival is
to be measured.
"""

from collections.abc import Sequence
from enum import IntFlag
from typing import NamedTuple, Protocol, cast

import numpy as np

from protocol.audio import Encoding, Pcm, decode
from protocol.bridge_events import CodedAudio

from . import compiled
from .arrived_frames import ArrivedFrames
from .compiled import CompiledTones, DetectorCore
from .compiled_endpointing import CompiledEndpointer, CompiledTracker


class News(IntFlag):
    """What a run found for a channel."""

    SOUND = 1
    """`ChannelSegmenter.drain` must be called."""

    KEYS = 2
    ARRIVAL = 4
    """The speed of arrival is to be measured."""

    BLOCK = 8
    """The samples of a block of line quality are complete."""


class LineParts(NamedTuple):
    """The parts of a `ChannelSegmenter` that a line runs."""

    detector: DetectorCore
    endpointer: CompiledEndpointer
    tracker: CompiledTracker | None


class LineCore(Protocol):
    """The compiled object."""

    @property
    def waiting(self) -> int:
        """Number of samples that no run has processed."""
        ...

    @property
    def news(self) -> int:
        """What the last run found: `News`."""
        ...

    @property
    def is_urgent(self) -> bool:
        """Whether the waiting samples are many, or may end a segment."""
        ...

    position: int
    due_at: float

    def attach(
        self,
        detector: DetectorCore,
        endpointer: CompiledEndpointer,
        tracker: CompiledTracker | None,
        tones: CompiledTones,
        /,
    ) -> None:
        """Set the parts that are run."""
        ...

    def add(self, pcm: Pcm, /) -> bool: ...  # noqa: D102
    def add_coded(self, payload: bytes, is_alaw: bool, /) -> bool: ...  # noqa: D102, FBT001
    def deliver(self) -> None: ...  # noqa: D102
    def take(self) -> tuple[int, bytes]: ...  # noqa: D102
    def take_keys(self) -> list[tuple[str, int]]: ...  # noqa: D102
    def heed(self, fed: int, paused: int, decided_due: int, /) -> None: ...  # noqa: D102


class LineFrames(ArrivedFrames):
    """`ArrivedFrames` in the compiled step; the samples go on to the parts of the channel there."""

    def __init__(
        self, line: LineCore, parts: LineParts, tones: CompiledTones, *, is_paused: bool
    ) -> None:
        super().__init__(line.position, is_paused=is_paused)
        self.line = line
        self._tones = tones
        self.attach(parts)

    def attach(self, parts: LineParts) -> None:
        """Continue with the parts of a new segmenter."""
        self.line.attach(*parts, self._tones)

    @property
    def position(self) -> int:
        """First sample that no run has processed."""
        return self.line.position

    @position.setter
    def position(self, position: int) -> None:
        if position != self.line.position:
            self.line.position = position

    @property
    def samples(self) -> int:
        """Number of samples that wait for the next run."""
        return self.line.waiting

    @property
    def is_urgent(self) -> bool:
        """Whether the waiting audio is long, or may end a segment."""
        return self.line.is_urgent

    def add(self, start: int, pcm: Pcm) -> bool:
        """As `ArrivedFrames.add`."""
        if self.is_paused:
            self.drop(start, start + len(pcm))
            return False
        return self.line.add(pcm)

    def add_coded(self, start: int, audio: CodedAudio) -> bool:
        """As `ArrivedFrames.add_coded`; the frame is decoded now."""
        if self.is_paused:
            self.drop(start, start + audio.samples)
            return False
        encoding = audio.encoding
        if encoding is Encoding.L16:
            return self.line.add(decode(audio.payload, encoding))
        return self.line.add_coded(audio.payload, encoding is Encoding.ALAW)

    def take(self) -> tuple[int, Pcm]:
        """
        Pass the waiting samples on, and return those that were passed on since the last time.

        Returns the position of the first one, and the samples: int16 `[n]`.
        """
        self.line.deliver()
        start, samples = self.line.take()
        return start, np.frombuffer(samples, dtype=np.int16)


def new_frames(
    position: int, block: int, parts: LineParts | None, tones: object, *, is_paused: bool
) -> ArrivedFrames:
    """
    Return the frames of a channel: of the compiled step, if its segmenter has `parts`.

    `position`: the first sample of the next frame; `block`: samples of a block of line quality;
    `tones`: the windows of the DTMF detector.
    """
    step = compiled.installed()
    if step is None or parts is None:
        return ArrivedFrames(position, is_paused=is_paused)
    line = cast("LineCore", step.Line(block, position))
    return LineFrames(line, parts, cast("CompiledTones", tones), is_paused=is_paused)


def run_lines(
    lines: Sequence[LineCore], network: compiled.CompiledNetwork | None, now: float, rounds: int = 4
) -> list[int]:
    """
    Do what `vad_runner.run_vad` does, and search for digits.  Returns the places of the lines with news.

    `now`: monotonic seconds.  Raises RuntimeError without the compiled step.
    """
    step = compiled.installed()
    if step is None:
        raise RuntimeError("a line without the compiled step")
    return step.run_lines(list(lines), network, rounds, now)
