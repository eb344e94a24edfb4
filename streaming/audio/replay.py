"""
Keeps the audio of a channel that may not be in Redis yet.

A gateway processes it again when it takes back a call that another gateway has adopted.  Pure; positions are
samples at the internal rate (`resampler.internal_rate`), from the start of the call.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from protocol.audio import Pcm
from protocol.events import Account

from .sample_buffer import SampleBuffer, sample_buffer

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
    """
    Contiguous audio of one channel: at most the last minute, less what the owner lets it forget.

    The samples of frames that follow each other are one buffer: an array for each frame takes twice the memory.
    """

    def __init__(self, rate: int) -> None:
        self._most = _MOST_SECONDS * rate
        self._forgotten = 0
        """Position before which nothing is kept."""

        self._pieces: deque[SampleBuffer | LostAudio] = deque()

    def hear(self, position: int, pcm: Pcm) -> None:
        """Append the next samples: int16 `[n]`, from `position`."""
        last = self._pieces[-1] if self._pieces else None
        if last is None or isinstance(last, LostAudio) or last.end != position:
            last = sample_buffer()
            last.jump(position)
            self._pieces.append(last)
        last.append(pcm)
        if last.end - self._most > self._forgotten:
            self.forget(last.end - self._most)

    def lose(self, lost: LostAudio) -> None:
        """Append a loss."""
        self._pieces.append(lost)
        self.forget(lost.end - self._most)

    def forget(self, before: int) -> None:
        """Drop what is before a position."""
        self._forgotten = before
        while self._pieces and self._pieces[0].end <= before:
            self._pieces.popleft()
        if self._pieces and not isinstance(first := self._pieces[0], LostAudio):
            first.forget(before)

    def since(self, start: int, end: int) -> Iterator[Piece]:
        """Yield the pieces from `start` to `end`.  Audio no longer kept is `LostAudio` with `told=False`."""
        position = start
        for piece in self._pieces:
            if piece.end <= position:
                continue
            first = piece.position if isinstance(piece, LostAudio) else piece.start
            if first > position:
                yield LostAudio(position, first, Account.LOST_UPSTREAM, told=False)
                position = first
            yield _behind(piece, position)
            position = piece.end
        if position < end:
            yield LostAudio(position, end, Account.LOST_UPSTREAM, told=False)


def _behind(piece: SampleBuffer | LostAudio, position: int) -> Piece:
    """Return the part of a piece from a position on."""
    if isinstance(piece, LostAudio):
        return LostAudio(position, piece.end, piece.account, piece.told)
    return ReceivedAudio(position, piece.cut(position, piece.end))
