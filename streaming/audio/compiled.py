"""
The compiled step of the audio path: the optional package `trunkline-native`, built from the folder `native/`.

Its objects give the results of the pure ones, sample for sample and tick for tick, for less CPU time.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt

from protocol.audio import Pcm

from .voice_activity.ticks import Tick

MODULE = "trunkline_native"

_INTERFACE = 2
"""The interface of the module that this version calls; a module with another one is not used."""


class CompiledTicks(Protocol):
    """The counterpart of `voice_activity.ticks.Ticks`, which documents the methods."""

    @property
    def position(self) -> int: ...  # noqa: D102
    @property
    def undecided(self) -> int: ...  # noqa: D102
    @property
    def fed(self) -> int: ...  # noqa: D102
    @property
    def heard(self) -> int: ...  # noqa: D102
    def feed(self, pcm: Pcm, /) -> None: ...  # noqa: D102
    def classify(self) -> bytes: ...  # noqa: D102
    def pass_silence(self) -> bool: ...  # noqa: D102
    def settle(self, until: int, speech: bool, /) -> bool: ...  # noqa: D102, FBT001
    def drain(self) -> list[Tick]: ...  # noqa: D102
    def skip(self, ticks: int, /) -> None: ...  # noqa: D102


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


class CompiledStep(Protocol):
    """The module."""

    INTERFACE: int

    def SampleBuffer(self) -> Any:  # noqa: N802, ANN401 - a class with the interface of `sample_buffer.SampleBuffer`
        """Return an empty buffer."""
        ...

    def Ticks(self, *, webrtc: bool, levelled: bool) -> CompiledTicks:  # noqa: N802 - a class
        """`webrtc`: whether every tick has the first opinion; `levelled`: whether quiet audio is amplified."""
        ...

    def Tones(  # noqa: N802 - a class
        self,
        tones: npt.NDArray[np.float32],
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
