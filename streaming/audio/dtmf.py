"""
Telephone keys heard in the audio: DTMF, ITU-T Q.23 and Q.24.

Two tones at once, one of four low and one of four high, for at least 40 ms.  Goertzel's filters are correlations
with eight known tones, so they are done for several windows in one product of matrices.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from protocol.audio import Pcm
from protocol.clock import CALL_RATE, from_ms

Floats = npt.NDArray[np.float32]

_LOW_HZ = (697, 770, 852, 941)
_HIGH_HZ = (1209, 1336, 1477, 1633)
_KEYS = ("123A", "456B", "789C", "*0#D")

_WINDOW_MS = 20
_HOP_MS = 10
_AT_A_TIME = 10
"""Windows looked at together: a key is known 100 ms behind its beginning, which is soon enough."""

_NEEDED = 3
"""Windows in a row: 40 ms of one key."""

_SILENCE = 2
"""Windows in a row without it, and the same key may be pressed again."""

_PURE = 0.65
"""Share of the power that must lie in the two tones; one that is 1.5 % off loses up to half of it."""

_LOW_LOUDER_DB, _HIGH_LOUDER_DB = 6.0, 4.0
"""How much louder one of the two may be: administrations ask for 4 to 10 (Q.24), and voices want little."""

_ALONE_DB = 6.0
"""How much louder each tone must be than the others of its group."""

_FAINTEST = 32_768 * 10 ** (-40 / 20)
"""Softer tones come from another line."""

_SAME_PRESS = from_ms(1_500)
"""A key signalled and heard within such a time was pressed once."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key that was pressed; `at` is where its tone begins, in samples of the bridge."""

    digit: str
    at: int


class DtmfDetector:
    """Hears the keys of one channel.  Memory: a fifth of a second of audio."""

    def __init__(self, rate: int = CALL_RATE) -> None:
        self._window = rate * _WINDOW_MS // 1_000
        self._hop = rate * _HOP_MS // 1_000
        self._tones = _tones(rate, self._window)
        self._waiting: list[Pcm] = []
        self._length = 0
        self._start = 0
        self._heard = ""
        """The key of the latest windows; empty for none."""

        self._run = 0
        self._down = ""
        """The key that is being held."""

    @property
    def held_samples(self) -> int:
        """Audio in memory."""
        return sum(map(len, self._waiting))

    def feed(self, position: int, pcm: Pcm) -> list[Key]:
        """Take in what comes at `position`, in samples of the bridge; the keys that have become known."""
        if position != self._start + self._length:
            self._waiting, self._length, self._start = [], 0, position
        if len(pcm):  # empty ones would pile up
            self._waiting.append(pcm)
            self._length += len(pcm)
        if self._length < self._window + (_AT_A_TIME - 1) * self._hop:
            return []
        return self._poll(np.concatenate(self._waiting))

    def _poll(self, audio: Pcm) -> list[Key]:
        count = (len(audio) - self._window) // self._hop + 1
        digits = self._digits(
            np.lib.stride_tricks.sliding_window_view(audio, self._window)[:: self._hop]
        )
        keys = [
            key
            for number, digit in enumerate(digits)
            if (key := self._meet(digit, self._start + number * self._hop))
        ]
        self._start += count * self._hop
        rest = audio[count * self._hop :].copy()
        self._waiting, self._length = [rest], len(rest)
        return keys

    def _meet(self, digit: str, at: int) -> Key | None:
        """One window: a key goes down when it has been heard often enough, and up likewise."""
        self._run = self._run + 1 if digit == self._heard else 1
        self._heard = digit
        if digit == self._down or self._run < (_NEEDED if digit else _SILENCE):
            return None
        self._down = digit
        return Key(digit, at - (_NEEDED - 1) * self._hop) if digit else None

    def _digits(self, windows: Pcm) -> list[str]:
        """The key in each window, empty for none."""
        waves = windows.astype(np.float32)
        power = np.einsum("ij,ij->i", waves, waves) * (self._window / 2)
        loud = power > _FAINTEST**2 * self._window**2 / 2
        if not loud.any():
            return [""] * len(waves)
        parts = waves @ self._tones
        tones = parts[:, :8] ** 2 + parts[:, 8:] ** 2
        low, high = tones[:, :4], tones[:, 4:]
        row, column = low.argmax(axis=1), high.argmax(axis=1)
        a, b = low.max(axis=1), high.max(axis=1)
        found = loud & (a + b > _PURE * power) & _is_even(a, b) & _is_alone(low) & _is_alone(high)
        return [
            _KEYS[row[number]][column[number]] if pressed else ""
            for number, pressed in enumerate(found)
        ]


class DtmfDeduplicator:
    """Keys of one channel that are signalled by the bridge, heard in its audio, or both: each counts once."""

    def __init__(self) -> None:
        self._single: deque[tuple[str, int, bool]] = deque(maxlen=64)

    def is_new(self, digit: str, at: int, *, signalled: bool) -> bool:
        """Whether this key, at `at` on the call clock, has not come the other way already."""
        for known in self._single:
            if known[0] == digit and known[2] != signalled and abs(at - known[1]) < _SAME_PRESS:
                self._single.remove(known)
                return False
        self._single.append((digit, at, signalled))
        return True


def _tones(rate: int, window: int) -> Floats:
    """Cosines and sines of the eight tones, [window, 16]."""
    at = np.arange(window)[:, None] * (2 * np.pi / rate) * np.array(_LOW_HZ + _HIGH_HZ)
    return np.concatenate([np.cos(at), np.sin(at)], axis=1).astype(np.float32)


def _is_even(a: Floats, b: Floats) -> npt.NDArray[np.bool_]:
    """Whether the low tone `a` and the high tone `b` may come from one telephone."""
    return (a < 10 ** (_LOW_LOUDER_DB / 10) * b) & (b < 10 ** (_HIGH_LOUDER_DB / 10) * a)


def _is_alone(group: Floats) -> npt.NDArray[np.bool_]:
    ordered = np.sort(group, axis=1)
    return ordered[:, -1] > 10 ** (_ALONE_DB / 10) * ordered[:, -2]
