"""Detects faults from the recent blocks of one channel."""

from collections.abc import Iterator
from enum import Enum, auto
from statistics import fmean, median
from typing import TypeVar

from protocol.events import Fault

from .block import Balance, Block, Contrast

_Seen = TypeVar("_Seen")

_SPOKEN = 6
"""Blocks with speech that are compared: 1.5 s."""

_BENT = 0.02
"""Mean, as a share of full scale, above which there is a DC offset: telephones block DC."""

_CUT_OFF = 0.01
"""Share of samples at full scale that counts as clipping; a loud but good call had 0.002."""

_SOFT_DBFS = -45.0
"""Speech is too soft if its loudest tick in 1.5 s is below this level."""

_NOISE_DBFS = -38.0
"""There is noise if no tick in 2.5 s is softer than this level and the spectrum is flat."""

_FLAT = 0.5
"""Spectral flatness above which sound is noise, not music or a tone."""

_MUFFLED_DB = 45.0
"""Speech whose level falls by this much in the middle of its band was recorded at twice the declared rate."""


_BRIGHT_DB, _THIN_DB, _BRIGHT_HZ = -35.0, -17.0, 900.0
"""8 kHz speech read at 16 kHz: power above 4.2 kHz, and little below 250 Hz or a centroid above 900 Hz."""

_ENOUGH_TREBLE = 3

_PACKED_BITS = -1.0
"""G.711 decoded as 16 bit costs 2 to 5 bits per sample more than it should; bench/misdeclared.py."""


class Disguise(Enum):
    """The real encoding of audio that was declared as another one."""

    LINEAR = auto()
    """16-bit samples, declared as G.711."""

    PACKED = auto()
    """G.711, declared as 16-bit samples."""

    STEREO = auto()
    """Two channels, declared as one."""


class FaultDetector:
    """Detects the faults of one channel from the measurements of its last 12 blocks (of 250 ms, 3 s)."""

    def __init__(self) -> None:
        self.ever = False
        """Whether the channel ever had anything but digital silence."""

        self.loud = 0
        """Number of blocks louder than faint noise."""

        # Lists: a deque takes at least 760 bytes, and most of these stay empty.
        self._recent: list[Block] = []
        self._spoken: list[Block] = []
        self._law: list[float] = []
        self._order: list[Contrast] = []
        self._linear: list[Contrast] = []
        self._packed: list[bool] = []
        self._stereo: list[bool] = []
        self._balance: list[Balance] = []
        self._treble: list[float] = []

    def see(self, block: Block, *, speaking: bool) -> None:
        """Add the measurements of the next 250 ms.  `speaking`: whether the VAD found speech in them."""
        self.ever = self.ever or not block.idle
        self.loud += block.is_audible
        if block.law is not None:
            _add(self._law, block.law, 4)
        if block.order is not None:
            _add(self._order, block.order, 8)
        if block.linear is not None:
            _add(self._linear, block.linear, 8)
        if block.packed is not None:
            _add(self._packed, block.packed < _PACKED_BITS, 8)
        if not block.idle:
            _add(self._stereo, block.is_stereo, 8)
        if block.balance is not None:
            _add(self._balance, block.balance, 4)
        if self.is_doubtful:  # the other measurements of misread audio are meaningless
            return
        _add(self._recent, block, 12)
        if speaking:
            _add(self._spoken, block, _SPOKEN)
            if block.treble is not None:
                _add(self._treble, block.treble, 8)

    @property
    def is_doubtful(self) -> bool:
        """Whether the latest block seems misread; further blocks decide."""
        law = self._law and self._law[-1] < 0
        other = any(seen and seen[-1].is_against for seen in (self._order, self._linear))
        disguised = any(seen and seen[-1] for seen in (self._packed, self._stereo))
        return bool(law or other or disguised)

    @property
    def disguise(self) -> Disguise:
        """The real encoding, if `WRONG_ENCODING` is detected."""
        if _against(self._linear) >= 3:
            return Disguise.LINEAR
        return Disguise.STEREO if sum(self._stereo) > sum(self._packed) else Disguise.PACKED

    def sounds_as_if_at(self, pace: float) -> bool:
        """
        Return whether the spectrum confirms a wrong declared rate.

        `pace`: speed of arrival relative to real time, about 0.5 or 2.
        """
        if not self._balance:
            return False
        bass = median(one.bass for one in self._balance)
        centroid = median(one.centroid for one in self._balance)
        if pace < 1:
            high = median(one.high for one in self._balance)
            return high > _BRIGHT_DB and (bass < _THIN_DB or centroid > _BRIGHT_HZ)
        return len(self._treble) >= _ENOUGH_TREBLE and median(self._treble) > _MUFFLED_DB

    def faults(self) -> Iterator[tuple[Fault, float]]:
        """Yield each fault with its measurement.  Misread audio shows many faults: only the cause is reported."""
        misread = list(self._misread())
        if misread or self.is_doubtful:
            yield from misread
        else:
            yield from self._ill()

    def _misread(self) -> Iterator[tuple[Fault, float]]:
        linear = _against(self._linear)
        packed, stereo = sum(self._packed), sum(self._stereo)
        if max(packed, stereo) >= 2:
            yield Fault.WRONG_ENCODING, 100 * max(packed, stereo) / max(1, len(self._stereo))
            return
        if linear >= 3:
            yield Fault.WRONG_ENCODING, 100 * linear / len(self._linear)
        elif 2 * linear < max(1, len(self._linear)) and self._law_is_wrong:
            yield Fault.WRONG_LAW, -fmean(self._law)
        if _against(self._order) >= 2:
            yield Fault.WRONG_BYTE_ORDER, 100 * _against(self._order) / len(self._order)

    @property
    def _law_is_wrong(self) -> bool:
        return len(self._law) >= 2 and max(self._law) < 0 and fmean(self._law) < -0.1

    def _ill(self) -> Iterator[tuple[Fault, float]]:
        if len(self._treble) >= 5 and median(self._treble) > _MUFFLED_DB:
            yield Fault.WRONG_RATE, 2.0
        latest = [block for block in self._recent if not block.idle][-8:]
        if len(latest) >= 6:
            offset = fmean(block.offset for block in latest)
            clipped = fmean(block.clipped for block in latest)
            if clipped > _CUT_OFF:  # asymmetric clipping causes a DC offset too
                yield Fault.CLIPPING, 100 * clipped
            elif abs(offset) > _BENT:
                yield Fault.DC_OFFSET, 100 * offset
        yield from self._level()

    def _level(self) -> Iterator[tuple[Fault, float]]:
        floor = min((block.softest for block in self._recent), default=-120.0)
        if len(self._recent) >= 10 and floor > _NOISE_DBFS:
            if median(block.flatness for block in self._recent) > _FLAT:
                yield Fault.NOISE, floor
        elif len(self._spoken) == _SPOKEN:
            loudest = max(block.loudest for block in self._spoken)
            if loudest < _SOFT_DBFS:
                yield Fault.TOO_QUIET, loudest


def _add(seen: list[_Seen], latest: _Seen, most: int) -> None:
    """Add the latest value, and keep only the `most` latest ones."""
    seen.append(latest)
    if len(seen) > most:
        del seen[0]


def _against(contrasts: list[Contrast]) -> int:
    return sum(contrast.is_against for contrast in contrasts)
