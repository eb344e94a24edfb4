"""
Keeps the times of words out of pauses.

An alignment of text to audio is coarse where nobody speaks: any moment of a pause may end the word before it and
begin the word after it.  The level of the audio is exact there.  Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from protocol.clock import ENGINE_RATE

from ..base import Samples

_FRAME = ENGINE_RATE // 100
"""Samples of a frame of 10 ms."""

_SHORTEST = 8
"""Frames.  A shorter quiet run inside the audio is the closure of a plosive, not a pause."""

_REACH = 10
"""Frames.  A boundary moves into a pause only from this near."""

_LEAST_WORD = 2
"""Frames that remain of a word at least."""

_QUIET_SHARE = 0.3
"""A pause is quieter than this share of the way, in dB, from the quietest to the loudest frames."""

_WIDEST_RANGE = 50.0
"""dB.  Quieter frames count as this far below the loudest: digital silence must not lower the threshold."""


@dataclass(frozen=True, slots=True)
class Pause:
    """A run of quiet frames, from `start` to `end` (exclusive)."""

    start: int
    end: int


def outside_pauses(spans: Sequence[tuple[int, int]], samples: Samples) -> list[tuple[int, int]]:
    """
    Move the boundaries of words that lie in a pause, or within 0.1 s of it, to the edges of the pause.

    `spans`: start and end of each word in samples of `samples`, in order and without overlap.  Returns the same,
    each of at least 20 ms if it was as long before.
    """
    pauses = _pauses(_levels(samples))
    moved = [(start / _FRAME, end / _FRAME) for start, end in spans]
    for place in range(len(moved) + 1):
        if (pause := _nearest(pauses, moved, place)) is None:
            continue
        if place > 0:
            moved[place - 1] = (moved[place - 1][0], pause.start)
        if place < len(moved):
            moved[place] = (pause.end, moved[place][1])
    return [(round(start * _FRAME), round(end * _FRAME)) for start, end in moved]


def _nearest(
    pauses: Sequence[Pause], spans: Sequence[tuple[float, float]], place: int
) -> Pause | None:
    """The pause next to the boundary before word `place`: the nearest one, of two equally near ones the longer."""
    earliest = spans[place - 1][0] + _LEAST_WORD if place > 0 else -np.inf
    latest = spans[place][1] - _LEAST_WORD if place < len(spans) else np.inf
    boundary = spans[place - 1][1] if place > 0 else spans[0][0] if spans else 0.0

    def distance(pause: Pause) -> float:
        return max(pause.start - boundary, boundary - pause.end, 0.0)

    within = [
        pause
        for pause in pauses
        if distance(pause) <= _REACH and earliest < pause.start and pause.end < latest
    ]
    return min(within, key=lambda one: (distance(one), one.start - one.end), default=None)


def _pauses(levels: npt.NDArray[np.float64]) -> list[Pause]:
    """The quiet runs of frames: long ones, and those at the beginning and the end of the audio."""
    if not len(levels):
        return []
    quietest, loudest = np.quantile(levels, (0.05, 0.95))
    quietest = max(quietest, loudest - _WIDEST_RANGE)
    quiet = levels < quietest + _QUIET_SHARE * (loudest - quietest)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], quiet, [False]])))
    runs = [Pause(int(start), int(end)) for start, end in edges.reshape(-1, 2)]
    return [
        run
        for run in runs
        if run.end - run.start >= _SHORTEST or run.start == 0 or run.end == len(levels)
    ]


def _levels(samples: Samples) -> npt.NDArray[np.float64]:
    """Level of each frame in dB, smoothed over three frames."""
    count = len(samples) // _FRAME
    if not count:
        return np.zeros(0)
    power = np.square(samples[: count * _FRAME]).reshape(count, _FRAME).mean(axis=1)
    decibels = 10 * np.log10(power.astype(np.float64) + 1e-10)
    return np.convolve(np.pad(decibels, 1, "edge"), np.ones(3) / 3, "valid")
