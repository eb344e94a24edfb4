"""
Keeps the audio of a channel that may not be in Redis yet.

A gateway processes it again when it takes back a call that another gateway has adopted.  Pure; positions are
samples at the internal rate (`resampler.internal_rate`), from the start of the call.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from protocol.audio import Pcm
from protocol.events import Account

from .packed_audio import PackedAudio

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


@dataclass(slots=True)
class _PackedPiece:
    """Samples that were processed, from `position`."""

    position: int
    audio: PackedAudio = field(default_factory=PackedAudio)

    @property
    def end(self) -> int:
        """Position after the last sample."""
        return self.position + len(self.audio) // 2

    def forget(self, before: int) -> None:
        """Drop the samples before a position."""
        if before > self.position:
            self.audio.drop(2 * (before - self.position))
            self.position = before

    def behind(self, position: int) -> Pcm:
        """Return the samples from a position on: int16 `[n]`."""
        return np.frombuffer(self.audio.read(2 * (position - self.position)), dtype=np.int16)


class Replay:
    """
    Contiguous audio of one channel: at most the last minute, less what the owner lets it forget.

    The samples of frames that follow each other are packed together.
    """

    __slots__ = ("_forgotten", "_most", "_pieces")

    def __init__(self, rate: int) -> None:
        self._most = _MOST_SECONDS * rate
        self._forgotten = 0
        """Position before which nothing is kept."""

        self._pieces: list[_PackedPiece | LostAudio] = []

    def hear(self, position: int, pcm: Pcm) -> None:
        """Append the next samples: int16 `[n]`, from `position`."""
        last = self._pieces[-1] if self._pieces else None
        if last is None or isinstance(last, LostAudio) or last.end != position:
            last = _PackedPiece(position)
            self._pieces.append(last)
        last.audio.append(pcm.astype(np.int16, copy=False).tobytes())
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
            del self._pieces[0]
        if self._pieces and not isinstance(first := self._pieces[0], LostAudio):
            first.forget(before)

    @property
    def held_bytes(self) -> int:
        """Bytes of memory that the samples take."""
        return sum(one.audio.held_bytes for one in self._pieces if isinstance(one, _PackedPiece))

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


def _behind(piece: _PackedPiece | LostAudio, position: int) -> Piece:
    """Return the part of a piece from a position on."""
    if isinstance(piece, LostAudio):
        return LostAudio(position, piece.end, piece.account, piece.told)
    return ReceivedAudio(position, piece.behind(position))
