"""Voice activity detection of one channel in the compiled step (`native/src/detector.c`)."""

from collections.abc import Sequence
from typing import cast

import numpy as np

from protocol.audio import Pcm

from ..compiled import CompiledStep
from ..sample_buffer import SampleBuffer
from .silero import VadQuery, VadResult, windows_of
from .ticks import Tick
from .vad_choice import Vad


class CompiledDetector:
    """
    The counterpart of `vad.Detector`, which documents the methods.

    `vad_runner.run_vad` runs `core` of many channels at once; `query` and `apply` serve other models than Silero.
    """

    __slots__ = ("audio", "core")

    def __init__(self, step: CompiledStep, vad: Vad, *, levelled: bool) -> None:
        self.core = step.Detector(
            webrtc=vad is not Vad.SILERO, silero=vad is not Vad.WEBRTC, levelled=levelled
        )
        self.audio = cast("SampleBuffer", self.core.audio)

    @property
    def heard(self) -> int:  # noqa: D102
        return self.core.heard

    @property
    def needed(self) -> int:  # noqa: D102
        return self.core.needed

    @property
    def has_audio(self) -> bool:  # noqa: D102
        return self.core.has_audio

    @property
    def query(self) -> VadQuery | None:  # noqa: D102
        if (asked := self.core.query()) is None:
            return None
        samples, count, memory = asked
        heard = np.frombuffer(samples, dtype=np.int16)
        return VadQuery(
            windows_of(heard, count), np.frombuffer(memory, dtype=np.float32).reshape(2, -1)
        )

    def feed(self, pcm: Pcm) -> None:  # noqa: D102
        self.core.feed(pcm)

    def apply(self, result: VadResult) -> None:  # noqa: D102
        self.core.apply(result.probabilities, result.memory.tobytes())

    def drain(self) -> Sequence[Tick]:  # noqa: D102
        return self.core.drain()

    def conclude(self) -> None:  # noqa: D102
        self.core.conclude()

    def skip(self, missing: int) -> None:  # noqa: D102
        self.core.skip(missing)
