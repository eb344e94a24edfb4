"""Endpointing and background speech of a channel in the compiled step (`native/src/endpointing.c`)."""

from dataclasses import asdict
from typing import Protocol

import numpy as np
import numpy.typing as npt

from . import compiled
from .background_speech import BackgroundTracker
from .compiled import DetectorCore
from .endpointing import Boundary, Closed, Opened, Reason, Segmenter, quietest
from .endpointing_settings import Endpointing, Limits
from .sound_events import VoiceSource


class CompiledTracker(Protocol):
    """The counterpart of `background_speech.BackgroundTracker`, which documents the methods."""

    @property
    def level(self) -> float | None: ...  # noqa: D102
    @property
    def is_near(self) -> bool: ...  # noqa: D102
    def begin(self, start: int, /) -> None: ...  # noqa: D102
    def feed(self, tick: int, power: float, *, voiced: bool) -> int | None: ...  # noqa: D102
    def end(self, end: int, /) -> VoiceSource: ...  # noqa: D102


class CompiledEndpointer(Protocol):
    """The counterpart of `endpointing.Segmenter`, which documents the other methods."""

    @property
    def now(self) -> int: ...  # noqa: D102
    @property
    def is_speaking(self) -> bool: ...  # noqa: D102
    @property
    def padding(self) -> int: ...  # noqa: D102
    @property
    def levels(self) -> npt.NDArray[np.float64]: ...  # noqa: D102
    @property
    def earliest(self) -> int: ...  # noqa: D102
    @property
    def undecided_until(self) -> int | None: ...  # noqa: D102
    @property
    def may_open(self) -> bool: ...  # noqa: D102
    @property
    def pause(self) -> int | None: ...  # noqa: D102
    def feed(self, voiced: bool, level: float, /) -> list[Boundary]: ...  # noqa: D102, FBT001
    def wait(self, pause: int, /) -> bool: ...  # noqa: D102
    def close(self, reason: Reason = ..., /) -> list[Boundary]: ...  # noqa: D102
    def split(self, tick: int, /) -> list[Boundary]: ...  # noqa: D102
    def skip(self, ticks: int, /) -> None: ...  # noqa: D102

    def advance(
        self, detector: DetectorCore, background: CompiledTracker | None, gain: float, /
    ) -> list[Boundary] | None:
        """
        Take the decided ticks of `detector` up to the next boundary; the open segment's ones go to `background`.

        `gain`: of the levels of the ticks, as a ratio of powers.  Returns None when all ticks are taken.
        """
        ...


Endpointer = Segmenter | CompiledEndpointer
Tracker = BackgroundTracker | CompiledTracker


def new_tracker() -> Tracker:
    """Return a tracker of background speech: of the compiled step, if it is in use."""
    step = compiled.step()
    if step is None:
        return BackgroundTracker()
    tracker: CompiledTracker = step.BackgroundTracker(VoiceSource.OWN, VoiceSource.BACKGROUND)
    return tracker


def new_endpointer(settings: Endpointing | None, background: Tracker | None) -> Endpointer:
    """Return the endpointing of a channel: of the compiled step, if it and a compiled `background` are in use."""
    step = compiled.step()
    if step is None or isinstance(background, BackgroundTracker):
        return Segmenter(settings)
    limits = asdict(Limits.of(settings or Endpointing()))
    reasons = Reason.PAUSE, Reason.LENGTH, Reason.SPEAKER, Reason.FINISHED
    endpointer: CompiledEndpointer = step.Endpointer(Opened, Closed, reasons, quietest, **limits)
    return endpointer
