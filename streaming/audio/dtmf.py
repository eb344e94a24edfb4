"""
Detects DTMF digits in audio (ITU-T Q.23 and Q.24).

A digit is two tones at once, one of four low and one of four high, for at least 40 ms.  Goertzel filters are
correlations with eight known tones, so one matrix product computes them for several windows.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from protocol.audio import Pcm
from protocol.clock import CALL_RATE, from_ms

from . import compiled

Floats = npt.NDArray[np.float32]

_LOW_HZ = (697, 770, 852, 941)
_HIGH_HZ = (1209, 1336, 1477, 1633)
_KEYS = ("123A", "456B", "789C", "*0#D")

_WINDOW_MS = 20
_HOP_MS = 10
_AT_A_TIME = 10
"""Windows that `feed` analyses together: a digit is known 100 ms after its start, which is early enough."""

_DUE_MS = 60
"""Audio from which `detect` is worth its cost: five windows."""

_ROWS = 256
"""Windows in one matrix product: OpenBLAS uses several threads for larger ones, which costs more than it gains."""

_NEEDED = 3
"""Consecutive windows that make a digit: 40 ms."""

_SILENCE = 2
"""Consecutive windows without the digit that end it; then the same digit can occur again."""

_PURE = 0.65
"""Share of the power that must be in the two tones; a tone that is 1.5 % off loses up to half of its power."""

_LOW_LOUDER_DB, _HIGH_LOUDER_DB = 6.0, 4.0
"""Allowed level difference (twist): administrations require 4 to 10 dB (Q.24); less rejects voices better."""

_ALONE_DB = 6.0
"""Minimum level of each tone above the other tones of its group."""

_FAINTEST = 32_768 * 10 ** (-40 / 20)
"""Minimum amplitude: -40 dBFS.  Weaker tones come from another line (crosstalk)."""

_LIMITS = (
    _FAINTEST,
    10 ** (_LOW_LOUDER_DB / 10),
    10 ** (_HIGH_LOUDER_DB / 10),
    10 ** (_ALONE_DB / 10),
)
"""The limits as the compiled step takes them: an amplitude, and ratios of power."""

_SAME_PRESS = from_ms(1_500)
"""A digit both signalled and detected within this time counts once."""

_MOST_SINGLE = 64
"""Latest digits that are remembered for that."""


@dataclass(frozen=True, slots=True)
class Key:
    """A detected digit; `at` is where its tone begins, in samples at the detector's rate."""

    digit: str
    at: int


class DtmfDetector:
    """
    Detects the DTMF digits of one channel.

    Either `feed` audio, or `add` audio to many detectors and analyse them together by `detect`.  `feed` keeps at
    most 200 ms of audio.
    """

    def __init__(self, rate: int = CALL_RATE) -> None:
        """`rate`: sample rate of the audio, in Hz."""
        self.rate = rate
        self._due = rate * _DUE_MS // 1_000
        window, hop = rate * _WINDOW_MS // 1_000, rate * _HOP_MS // 1_000
        self._enough = window + (_AT_A_TIME - 1) * hop
        step = compiled.step()
        self.windows = step.Tones(_tones(rate, window), *_LIMITS) if step else Windows(window, hop)
        """The audio that is not analysed."""

    @property
    def held_samples(self) -> int:
        """Number of samples in memory."""
        return self.windows.length

    def feed(self, position: int, pcm: Pcm) -> list[Key]:
        """
        Take audio: int16 `[n]`, whose first sample is at `position`, both at the detector's rate.

        Returns the digits that are complete now.
        """
        self.add(position, pcm)
        return detect([self])[0] if self.windows.length >= self._enough else []

    @property
    def is_due(self) -> bool:
        """Whether enough audio waits to be analysed."""
        return self.windows.length >= self._due

    def add(self, position: int, pcm: Pcm) -> None:
        """Keep audio, with the arguments of `feed`, until `detect` analyses it."""
        self.windows.add(position, pcm)


class Windows:
    """The audio of one channel in overlapping windows, and the digit of the latest ones."""

    def __init__(self, window: int, hop: int) -> None:
        """`window`, `hop`: in samples."""
        self._window = window
        self._hop = hop
        self._waiting: list[Pcm] = []
        self.length = 0
        """Number of samples kept."""

        self._start = 0
        self._heard = ""
        """The digit of the latest windows; empty for none."""

        self._run = 0
        self._down = ""
        """The digit whose tone is present now; empty for none."""

    def add(self, position: int, pcm: Pcm) -> None:
        """Keep samples, the first one at `position`.  After a gap, the samples before it are dropped."""
        if position != self._start + self.length:
            self._waiting, self.length, self._start = [], 0, position
        if len(pcm):  # empty pieces would accumulate
            self._waiting.append(pcm)
            self.length += len(pcm)

    def whole(self) -> Pcm | None:
        """Return the whole windows of the kept audio: int16 `[windows, samples]`; None if there are none."""
        if self.length < self._window:
            return None
        audio = np.concatenate(self._waiting)
        self._waiting = [audio]
        count = (len(audio) - self._window) // self._hop + 1
        step = audio.itemsize
        return np.ndarray((count, self._window), np.int16, audio, 0, (step * self._hop, step))

    def take(self, digits: Sequence[str]) -> list[Key]:
        """Take the digit in each of `whole`, empty for none, and drop their audio.  Returns complete digits."""
        keys = []
        if self._heard or self._down or any(digits):
            keys = [
                key
                for number, digit in enumerate(digits)
                if (key := self._meet(digit, self._start + number * self._hop))
            ]
        else:
            self._run += len(digits)
        self._start += len(digits) * self._hop
        rest = self._waiting[0][len(digits) * self._hop :].copy()
        self._waiting, self.length = [rest], len(rest)
        return keys

    def _meet(self, digit: str, at: int) -> Key | None:
        """Take one window; a digit starts and ends after enough consecutive windows."""
        self._run = self._run + 1 if digit == self._heard else 1
        self._heard = digit
        if digit == self._down or self._run < (_NEEDED if digit else _SILENCE):
            return None
        self._down = digit
        return Key(digit, at - (_NEEDED - 1) * self._hop) if digit else None


def detect(detectors: Sequence[DtmfDetector]) -> list[list[Key]]:
    """Analyse the kept audio of all `detectors` at once.  Returns the complete digits of each."""
    keys: list[list[Key]] = [[] for _ in detectors]
    by_rate: dict[int, list[tuple[int, Windows, Pcm]]] = defaultdict(list)
    for place, detector in enumerate(detectors):
        windows = detector.windows
        if not isinstance(windows, Windows):
            keys[place] = [Key(digit, at) for digit, at in windows.detect()]
        elif (whole := windows.whole()) is not None:
            by_rate[detector.rate].append((place, windows, whole))
    for rate, waiting in by_rate.items():
        stacked = np.concatenate([whole for _, _, whole in waiting])
        digits: list[str] = []
        for at in range(0, len(stacked), _ROWS):
            digits += _digits(stacked[at : at + _ROWS], rate)
        start = 0
        for place, windows, whole in waiting:
            keys[place] = windows.take(digits[start : start + len(whole)])
            start += len(whole)
    return keys


def _digits(windows: Pcm, rate: int) -> list[str]:
    """Return the digit in each window, empty for none.  `windows`: int16 `[windows, samples]` at `rate` Hz."""
    found = [""] * len(windows)
    length = windows.shape[1]
    waves = windows.astype(np.float32)
    power = np.einsum("ij,ij->i", waves, waves) * (length / 2)
    (loud,) = np.nonzero(power > _FAINTEST**2 * length**2 / 2)
    if not len(loud):
        return found
    parts = np.square(waves[loud] @ _tones(rate, length))
    tones = parts[:, :8] + parts[:, 8:]
    low, high = tones[:, :4], tones[:, 4:]
    a, b = low.max(axis=1), high.max(axis=1)
    (pure,) = np.nonzero(a + b > _PURE * power[loud])
    if not len(pure):
        return found
    low, high, a, b = low[pure], high[pure], a[pure], b[pure]
    pressed = _is_even(a, b) & _is_alone(low) & _is_alone(high)
    rows, columns = low.argmax(axis=1), high.argmax(axis=1)
    for one in np.nonzero(pressed)[0]:
        found[int(loud[pure[one]])] = _KEYS[rows[one]][columns[one]]
    return found


class DtmfDeduplicator:
    """Counts each digit of a channel once, whether the bridge signals it, its audio contains it, or both."""

    def __init__(self) -> None:
        self._single: list[tuple[str, int, bool]] = []

    def is_new(self, digit: str, at: int, *, signalled: bool) -> bool:
        """
        Return whether a digit at `at`, on the call clock, has not been reported by the other source already.

        `signalled`: reported by the bridge; otherwise detected in the audio.
        """
        for known in self._single:
            if known[0] == digit and known[2] != signalled and abs(at - known[1]) < _SAME_PRESS:
                self._single.remove(known)
                return False
        self._single.append((digit, at, signalled))
        del self._single[:-_MOST_SINGLE]
        return True


@cache
def _tones(rate: int, window: int) -> Floats:
    """Return cosines and sines of the eight tones: float32 `[window, 16]`."""
    at = np.arange(window)[:, None] * (2 * np.pi / rate) * np.array(_LOW_HZ + _HIGH_HZ)
    return np.concatenate([np.cos(at), np.sin(at)], axis=1).astype(np.float32)


def _is_even(a: Floats, b: Floats) -> npt.NDArray[np.bool_]:
    """Return whether the level difference of low tone `a` and high tone `b` is within the allowed twist."""
    return (a < 10 ** (_LOW_LOUDER_DB / 10) * b) & (b < 10 ** (_HIGH_LOUDER_DB / 10) * a)


def _is_alone(group: Floats) -> npt.NDArray[np.bool_]:
    ordered = np.sort(group, axis=1)
    return ordered[:, -1] > 10 ** (_ALONE_DB / 10) * ordered[:, -2]
