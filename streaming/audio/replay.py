"""
Keeps the audio of a channel that may not be in Redis yet.

A gateway processes it again when it takes back a call that another gateway has adopted.  Pure; positions are
samples at the internal rate (`resampler.internal_rate`), from the start of the call.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from protocol.audio import Pcm
from protocol.events import Account

_MOST_SECONDS = 60
"""Most seconds kept.  Older audio is dropped, and counts as lost when the call is taken back."""


@dataclass(frozen=True, slots=True)
class ReceivedAudio:
    """Samples that were processed: int16 `[n]`, from `position`."""

    position: int
    pcm: Pcm = field(repr=False)

    @property
    def end(self) -> int:
        """Position after the last sample."""
        return self.position + len(self.pcm)


@dataclass(frozen=True, slots=True)
class LostAudio:
    """Samples that did not arrive, or must not be processed."""

    position: int
    end: int
    account: Account
    told: bool = True
    """Whether the call has an event for this loss."""


Piece = ReceivedAudio | LostAudio


class Replay:
    """Contiguous pieces of one channel: at most the last minute, less what the owner lets it forget."""

    def __init__(self, rate: int) -> None:
        self._most = _MOST_SECONDS * rate
        self._pieces: deque[Piece] = deque()

    def add(self, piece: Piece) -> None:
        """Append the next piece."""
        self._pieces.append(piece)
        while self._pieces[0].end < piece.end - self._most:
            self._pieces.popleft()

    def forget(self, before: int) -> None:
        """Drop the pieces before a position."""
        while self._pieces and self._pieces[0].end <= before:
            self._pieces.popleft()

    def since(self, start: int, end: int) -> Iterator[Piece]:
        """Yield the pieces from `start` to `end`.  Audio no longer kept is `LostAudio` with `told=False`."""
        position = start
        for piece in self._pieces:
            if piece.end <= position:
                continue
            if piece.position > position:
                yield LostAudio(position, piece.position, Account.LOST_UPSTREAM, told=False)
                position = piece.position
            yield _behind(piece, position)
            position = piece.end
        if position < end:
            yield LostAudio(position, end, Account.LOST_UPSTREAM, told=False)


def _behind(piece: Piece, position: int) -> Piece:
    """Return the part of a piece from a position on."""
    if isinstance(piece, ReceivedAudio):
        return ReceivedAudio(position, piece.pcm[position - piece.position :])
    return replace(piece, position=position)
