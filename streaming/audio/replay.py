"""
The audio of a channel that may not be in Redis yet.

A gateway that another one took for dead has to hear it again when it takes its call back.  Pure; positions are
samples of the internal rate (`resampler.internal_rate`), on the clock of the call.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from protocol.audio import Pcm
from protocol.events import Account

_MOST_SECONDS = 60
"""More is not kept: the oldest goes first, and is counted as lost when the call is taken back."""


@dataclass(frozen=True, slots=True)
class Heard:
    """Samples that were heard."""

    position: int
    pcm: Pcm = field(repr=False)

    @property
    def end(self) -> int:
        """Where the next piece begins."""
        return self.position + len(self.pcm)


@dataclass(frozen=True, slots=True)
class Lost:
    """Samples that never came, or were not to be heard."""

    position: int
    end: int
    account: Account
    told: bool = True
    """Whether an event of the call says so."""


Piece = Heard | Lost


class Replay:
    """Contiguous pieces of one channel, the newest minute at most.  The owner says what may be forgotten."""

    def __init__(self, rate: int) -> None:
        self._most = _MOST_SECONDS * rate
        self._pieces: deque[Piece] = deque()

    def add(self, piece: Piece) -> None:
        """What came next."""
        self._pieces.append(piece)
        while self._pieces[0].end < piece.end - self._most:
            self._pieces.popleft()

    def forget(self, before: int) -> None:
        """Nobody will ask for what lies before a position."""
        while self._pieces and self._pieces[0].end <= before:
            self._pieces.popleft()

    def since(self, start: int, end: int) -> Iterator[Piece]:
        """What came from `start` to `end`; what is not kept any more is lost, and nobody has been told."""
        position = start
        for piece in self._pieces:
            if piece.end <= position:
                continue
            if piece.position > position:
                yield Lost(position, piece.position, Account.LOST_UPSTREAM, told=False)
                position = piece.position
            yield _behind(piece, position)
            position = piece.end
        if position < end:
            yield Lost(position, end, Account.LOST_UPSTREAM, told=False)


def _behind(piece: Piece, position: int) -> Piece:
    """The part of a piece that begins at a position."""
    if isinstance(piece, Heard):
        return Heard(position, piece.pcm[position - piece.position :])
    return replace(piece, position=position)
