"""
The jitter buffer: puts one channel's frames in order and reports late, repeated and missing samples.

Pure.  Positions and lengths are samples at the bridge's rate.
"""

from bisect import insort
from dataclasses import dataclass, field

from protocol.audio import Pcm
from protocol.clock import CALL_RATE

REORDER_MS = 200
"""Audio that may arrive after a missing frame before the frame counts as lost."""

PATIENCE_MS = 1_000
"""Consecutive audio with implausible positions after which the bridge counts as restarted (new positions)."""

LONGEST_GAP_S = 3_600
"""A larger jump forwards is a wrong counter, not a loss."""


@dataclass(frozen=True, slots=True)
class Placed:
    """The next samples in order: int16 `[n]`, at `position`."""

    position: int
    pcm: Pcm = field(repr=False)


@dataclass(frozen=True, slots=True)
class Gap:
    """Missing samples: the next placed samples begin at `end`."""

    start: int
    end: int

    @property
    def samples(self) -> int:
        """Number of missing samples."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Late:
    """Dropped samples: already received, already counted as lost, or with an implausible position."""

    samples: int


Placement = Placed | Gap | Late


@dataclass(frozen=True, slots=True, order=True)
class _Early:
    """A frame that waits for earlier frames."""

    position: int
    arrival: int
    pcm: Pcm = field(repr=False, compare=False)

    @property
    def end(self) -> int:
        return self.position + len(self.pcm)


class JitterBuffer:
    """
    Puts frames in order, drops repeated frames, reports missing ones.

    `Placed` and `Gap` together are contiguous from `start`.  A frame whose position is in the past, or more than an
    hour ahead, is refused.  After one second of only such frames, the bridge counts as restarted, and the frames
    continue at the current position.  Holds up to 200 ms of early frames and one second of refused frames.
    """

    def __init__(self, rate: int = CALL_RATE, *, start: int = 0) -> None:
        self.next = start
        """Position of the next sample in order."""

        self.restarts = 0
        """How often the bridge's positions restarted."""

        self._reorder = rate * REORDER_MS // 1_000
        self._patience = rate * PATIENCE_MS // 1_000
        self._horizon = rate * LONGEST_GAP_S
        self._offset = 0
        self._arrivals = 0
        self._early: list[_Early] = []
        self._refused: list[tuple[int, Pcm]] = []

    def advance(self, position: int | None, samples: int) -> bool:
        """
        Take a frame of `samples` that is the next in order, while no other frame waits.

        Returns False, without any change, for any other frame: `place` takes it.
        """
        if self._early or self._refused or not samples:
            return False
        if position is not None and position + self._offset != self.next:
            return False
        self.next += samples
        return True

    def place(self, position: int | None, pcm: Pcm) -> list[Placement]:
        """
        Take a frame: int16 `[n]`.  Returns what is in order now.

        `position`: of its first sample, as the bridge counts; None if the bridge sends no positions.
        """
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
        """Flush, then report a gap up to `position`, unless that is in the past."""
        placements = self.flush()
        if position > self.next:
            placements.append(Gap(self.next, position))
            self.next = position
        return placements

    def flush(self) -> list[Placement]:
        """No more frames follow: report missing samples as gaps and place the waiting frames."""
        return self._pardon() + self._release(self._last)

    @property
    def _last(self) -> int:
        """Position after the last sample of all frames held."""
        return max([self.next, *(early.end for early in self._early)])

    def _believable(self, position: int, length: int) -> bool:
        return position + length > self.next and position <= self.next + self._horizon

    def _pardon(self) -> list[Placement]:
        """Drop the refused frames: a plausible frame has come, so the positions have not restarted."""
        dropped, self._refused = self._refused, []
        return [Late(len(pcm)) for _, pcm in dropped]

    def _restart(self) -> list[Placement]:
        """Accept the refused frames: the first of them continues at the current position."""
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
        """Keep only the longest of waiting frames with the same position: repeats must not fill the memory."""
        same = [early for early in self._early if early.position == position]
        longest = max(same, key=lambda early: (len(early.pcm), -early.arrival))
        self._early = [e for e in self._early if e.position != position or e is longest]
        return [Late(len(early.pcm)) for early in same if early is not longest]

    def _release(self, given_up: int) -> list[Placement]:
        """Place the frames in order; samples missing before `given_up` become gaps."""
        placements: list[Placement] = []
        while self._early and (self._early[0].position <= self.next or self.next < given_up):
            placements += self._settle(self._early.pop(0))
        return placements

    def _settle(self, frame: _Early) -> list[Placement]:
        """Place one frame, after a gap if needed, without samples that are placed already."""
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
