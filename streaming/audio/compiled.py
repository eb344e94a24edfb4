"""
The compiled step of the audio path: the optional package `trunkline-native`, built from the folder `native/`.

Its objects give the results of the pure ones, sample for sample and tick for tick, for less CPU time.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt

from protocol.audio import Pcm

from .voice_activity.ticks import Tick

Floats = npt.NDArray[np.float32]

MODULE = "trunkline_native"

_INTERFACE = 6
"""The interface of the module that this version calls; a module with another one is not used."""


class DetectorCore(Protocol):
    """What `CompiledDetector` calls; `voice_activity.vad.Detector` documents the behaviour."""

    @property
    def audio(self) -> Any: ...  # noqa: ANN401, D102 - as `SampleBuffer`
    @property
    def heard(self) -> int: ...  # noqa: D102
    @property
    def needed(self) -> int: ...  # noqa: D102
    @property
    def has_audio(self) -> bool: ...  # noqa: D102
    def feed(self, pcm: Pcm, /) -> None: ...  # noqa: D102
    def query(self) -> tuple[bytes, int, bytes] | None:
        """Return the samples of the next windows and at most 32 before them, their number, and the memory."""
        ...

    def apply(self, probabilities: tuple[float, ...], memory: bytes, /) -> None: ...  # noqa: D102
    def drain(self) -> list[Tick]: ...  # noqa: D102
    def conclude(self) -> None: ...  # noqa: D102
    def skip(self, ticks: int, /) -> None: ...  # noqa: D102


class CompiledNetwork(Protocol):
    """The counterpart of `voice_activity.silero_network.SileroNetwork`."""

    @property
    def width(self) -> int:
        """Bytes of the vector registers in use; 0 for plain C."""
        ...

    def predict(self, samples: Pcm, windows: int, memory: bytes, /) -> tuple[list[float], bytes]:
        """
        Classify the windows of one channel.

        `samples`: int16, the windows and at most 32 samples before them.  Returns the probabilities of speech, and
        the memory after the windows.
        """
        ...


class CompiledTones(Protocol):
    """The windows of one channel's `dtmf.DtmfDetector`."""

    @property
    def length(self) -> int:
        """Number of samples kept."""
        ...

    def add(self, position: int, pcm: Pcm, /) -> None:
        """Keep samples, the first one at `position`."""
        ...

    def detect(self) -> list[tuple[str, int]]:
        """Analyse the whole windows kept.  Returns complete digits, each with the position of its first sample."""
        ...


MeasuredBlock = tuple[
    bool,
    float,
    float,
    float,
    float,
    float | None,
    tuple[float, float] | None,
    tuple[float, float] | None,
    float | None,
    bool,
    tuple[float, float, float] | None,
    float | None,
    float,
]
"""The fields of `quality.block.Block` in order, from `idle` on; those of a contrast and of a balance as a tuple."""


class CompiledStep(Protocol):
    """The module."""

    INTERFACE: int

    def SampleBuffer(self) -> Any:  # noqa: N802, ANN401 - a class with the interface of `sample_buffer.SampleBuffer`
        """Return an empty buffer."""
        ...

    def Detector(self, *, webrtc: bool, silero: bool, levelled: bool) -> DetectorCore:  # noqa: N802 - a class
        """`webrtc`, `silero`: which detectors decide; `levelled`: whether quiet audio is amplified."""
        ...

    def SileroNetwork(  # noqa: N802 - a class
        self,
        matrices: tuple[Floats, ...],
        biases: tuple[Floats, ...],
        output: Floats,
        output_bias: float,
        width: int = 64,
    ) -> CompiledNetwork:
        """
        Copy the weights, as `SileroNetwork` has them.

        `matrices`: `[in, out]`; `biases`: of all but the first and the last matrix; `width`: most bytes of the
        vector registers to use.
        """
        ...

    def run(
        self, detectors: list[DetectorCore], network: CompiledNetwork | None, rounds: int, /
    ) -> None:
        """Do what `vad_runner.run_vad` does before it drains."""
        ...

    def BackgroundTracker(self, own: object, background: object) -> Any:  # noqa: N802, ANN401 - a class
        """`own`, `background`: what `end` returns."""
        ...

    def Endpointer(  # noqa: N802 - a class
        self,
        opened: type,
        closed: type,
        reasons: tuple[object, object, object, object],
        quietest: Callable[[Any], int],
        **limits: int,
    ) -> Any:  # noqa: ANN401 - `compiled_endpointing.CompiledEndpointer`
        """
        `opened`, `closed`: the classes of the boundaries; `reasons`: pause, length, another speaker, finished.

        `limits`: the fields of `endpointing_settings.Limits`.
        """
        ...

    def pack(self, samples: bytes, is_alaw: bool, /) -> bytes | None:  # noqa: FBT001
        """Return the codes of mu-law, or of A-law, for 16-bit samples; None if a sample has no code."""
        ...

    def measure_block(self, pcm: Pcm, /) -> MeasuredBlock:
        """Measure the line quality of a block: int16 `[2000]` at 8 kHz.  Raises TypeError for another length."""
        ...

    def Line(self, block: int, position: int) -> Any:  # noqa: N802, ANN401 - `channel_line.LineCore`
        """`block`: samples of a block of line quality; `position`: of the next sample."""
        ...

    def run_lines(
        self, lines: list[Any], network: CompiledNetwork | None, rounds: int, now: float, /
    ) -> list[int]:
        """See `channel_line.run_lines`."""
        ...

    def Tones(  # noqa: N802 - a class
        self,
        tones: Floats,
        faintest: float,
        low_louder: float,
        high_louder: float,
        alone: float,
    ) -> CompiledTones:
        """`tones`: `[window, 16]`; `faintest`: an amplitude; the others are ratios of power."""
        ...


@cache
def installed() -> CompiledStep | None:
    """Return the module; None if it is not installed, or is of another version."""
    if find_spec(MODULE) is None:
        return None
    try:
        module = cast("CompiledStep", import_module(MODULE))
    except ImportError:  # built for another platform
        return None
    return module if module.INTERFACE == _INTERFACE else None


class _Choice:
    is_wanted = True


def step() -> CompiledStep | None:
    """Return the module that new objects use; None if they are to be pure."""
    return installed() if _Choice.is_wanted else None


def use(*, wanted: bool) -> None:
    """Choose whether objects made from now on use the compiled step where it is installed."""
    _Choice.is_wanted = wanted


@contextmanager
def using(*, wanted: bool) -> Iterator[None]:
    """As `use`, until the block ends."""
    before, _Choice.is_wanted = _Choice.is_wanted, wanted
    try:
        yield
    finally:
        _Choice.is_wanted = before
