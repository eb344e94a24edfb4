"""Measures the waiting blocks of many channels together."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from protocol.audio import Pcm
from protocol.events import LineWarning

from .block import Block
from .block_stats import measure_all

_AT_ONCE = 32
"""Blocks that are measured together: more gain nothing, and take longer than the event loop should wait."""


@dataclass(frozen=True, slots=True)
class WaitingBlock:
    """A block to measure: int16 `[250 ms]` at `rate` Hz, from `start` on the call clock."""

    start: int
    pcm: Pcm = field(repr=False)
    rate: int
    speaking: bool
    """Whether it contains speech."""


class Measured(Protocol):
    """The interface of a channel to `measure_waiting`."""

    @property
    def query(self) -> WaitingBlock | None:
        """The next block to measure; None if there is none."""
        ...

    def apply(self, block: Block) -> list[LineWarning]:
        """Take the measurements of `query`.  Returns new warnings."""
        ...


def measure_waiting(channels: Sequence[Measured]) -> list[list[LineWarning]]:
    """Measure all waiting blocks of `channels`.  Returns the new warnings that the blocks of each channel gave."""
    warnings: list[list[LineWarning]] = [[] for _ in channels]
    places: Iterable[int] = range(len(channels))
    while asking := [(place, query) for place in places if (query := channels[place].query)]:
        for (place, _), block in zip(asking, _measure([one for _, one in asking]), strict=True):
            warnings[place] += channels[place].apply(block)
        places = [place for place, _ in asking]
    return warnings


def _measure(waiting: Sequence[WaitingBlock]) -> list[Block]:
    """Measure blocks, those of one rate together; returns them in order."""
    by_rate: dict[int, list[int]] = defaultdict(list)
    for place, one in enumerate(waiting):
        by_rate[one.rate].append(place)
    found: dict[int, Block] = {}
    for rate, places in by_rate.items():
        for at in range(0, len(places), _AT_ONCE):
            part = places[at : at + _AT_ONCE]
            blocks = [waiting[place].pcm for place in part]
            starts = [waiting[place].start for place in part]
            found |= zip(part, measure_all(starts, blocks, rate), strict=True)
    return [found[place] for place in range(len(waiting))]
