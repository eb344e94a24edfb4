"""
One channel's samples in order: what came early, late, twice or never.

Pure.  Positions and lengths are samples in the bridge's own rate.
"""

from bisect import insort
from dataclasses import dataclass, field

from protocol.audio import Pcm
from protocol.clock import CALL_RATE

REORDER_MS = 200
"""How much audio may come before a missing frame is given up."""

PATIENCE_MS = 1_000
"""So much audio with unbelievable positions, one frame after the other, means that the bridge counts anew."""

LONGEST_GAP_S = 3_600
"""A jump forwards beyond this is a counter gone wrong, not a loss."""


@dataclass(frozen=True, slots=True)
class Placed:
    """Samples that come next."""

    position: int
    pcm: Pcm = field(repr=False)


@dataclass(frozen=True, slots=True)
class Gap:
    """Samples that never came: whatever is placed next begins at `end`."""

    start: int
    end: int

    @property
    def samples(self) -> int:
        """How many are missing."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Late:
    """Samples dropped: their place was taken or given up already, or could not be believed."""

    samples: int


Placement = Placed | Gap | Late


@dataclass(frozen=True, slots=True, order=True)
class _Early:
    """A frame that waits for what comes before it."""

    position: int
    arrival: int
    pcm: Pcm = field(repr=False, compare=False)

    @property
    def end(self) -> int:
        return self.position + len(self.pcm)


class JitterBuffer:
    """
    Put frames in order, drop what comes twice, say what is missing.

    `Placed` and `Gap` together are contiguous from `start`.  A frame whose position lies in the past, or more
    than an hour ahead, is refused; after a second of nothing but such frames the bridge is taken to count
    anew, and they go on where the channel stands.  Holds 200 ms of early frames and a second of refused ones.
    """

    def __init__(self, rate: int = CALL_RATE, *, start: int = 0) -> None:
        self.next = start
        """Position of the sample that is due."""

        self.restarts = 0
        """How often the bridge was taken to count anew."""

        self._reorder = rate * REORDER_MS // 1_000
        self._patience = rate * PATIENCE_MS // 1_000
        self._horizon = rate * LONGEST_GAP_S
        self._offset = 0
        self._arrivals = 0
        self._early: list[_Early] = []
        self._refused: list[tuple[int, Pcm]] = []

    def place(self, position: int | None, pcm: Pcm) -> list[Placement]:
        """Take in a frame; `position` as the bridge counts it, None where it does not count."""
        if len(pcm) == 0:
            return []
        if position is None:
            return self._pardon() + self._accept(self._last, pcm)
        if self._believable(position + self._offset, len(pcm)):
            return self._pardon() + self._accept(position + self._offset, pcm)
        self._refused.append((position, pcm))
        if sum(len(refused) for _, refused in self._refused) < self._patience:
            return []
        return self._restart()

    def skip_to(self, position: int) -> list[Placement]:
        """What comes next begins at `position`, unless that is past: what is missing before it is a gap."""
        placements = self.flush()
        if position > self.next:
            placements.append(Gap(self.next, position))
            self.next = position
        return placements

    def flush(self) -> list[Placement]:
        """Nothing more will come: give up what is missing, place the rest."""
        return self._pardon() + self._release(self._last)

    @property
    def _last(self) -> int:
        """Behind everything that is known."""
        return max([self.next, *(early.end for early in self._early)])

    def _believable(self, position: int, length: int) -> bool:
        return position + length > self.next and position <= self.next + self._horizon

    def _pardon(self) -> list[Placement]:
        """Drop the refused frames: a good one has come, so the count has not changed."""
        dropped, self._refused = self._refused, []
        return [Late(len(pcm)) for _, pcm in dropped]

    def _restart(self) -> list[Placement]:
        """Believe the refused frames: the first of them continues where the channel stands."""
        refused, self._refused = self._refused, []
        placements = self._release(self._last)
        self._offset = self.next - refused[0][0]
        self.restarts += 1
        for position, pcm in refused:
            placements += self.place(position, pcm)
        return placements

    def _accept(self, position: int, pcm: Pcm) -> list[Placement]:
        insort(self._early, _Early(position, self._arrivals, pcm))
        self._arrivals += 1
        repeats = self._drop_repeats(position)
        return repeats + self._release(self._last - self._reorder)

    def _drop_repeats(self, position: int) -> list[Placement]:
        """Of waiting frames with the same position keep the longest: repeating one must not fill the memory."""
        same = [early for early in self._early if early.position == position]
        longest = max(same, key=lambda early: (len(early.pcm), -early.arrival))
        self._early = [e for e in self._early if e.position != position or e is longest]
        return [Late(len(early.pcm)) for early in same if early is not longest]

    def _release(self, given_up: int) -> list[Placement]:
        """Place what is due; what is missing before `given_up` is a gap."""
        placements: list[Placement] = []
        while self._early and (self._early[0].position <= self.next or self.next < given_up):
            placements += self._settle(self._early.pop(0))
        return placements

    def _settle(self, frame: _Early) -> list[Placement]:
        """Place one frame, behind a gap or without what is there already."""
        placements: list[Placement] = []
        if frame.position > self.next:
            placements.append(Gap(self.next, frame.position))
            self.next = frame.position
        if known := min(self.next - frame.position, len(frame.pcm)):
            placements.append(Late(known))
        if known < len(frame.pcm):
            placements.append(Placed(self.next, frame.pcm[known:]))
            self.next = frame.end
        return placements
