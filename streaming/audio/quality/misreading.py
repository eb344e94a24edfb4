"""
Compares the declared decoding of blocks with others.

Speech is smooth: decoded correctly, a sample is close to the previous one; decoded with the other law of G.711 or
the other byte order, it is not.  So the same bytes are decoded both ways, and the smoother result is the correct
one.  In all telephone speech that the project was tested with, the sign of `law` was never wrong.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from protocol.audio import Encoding, Pcm, decode, encode

from .block import Contrast
from .block_arrays import BlockArrays, Mask, Wave

_FAINT = 64
"""If no sample is larger, the byte order cannot be determined."""

_SILENT_CODES = 8
"""The smallest codes of both laws: silence with either law."""

_IDLE_COST = -1.0

_OTHER = {Encoding.MULAW: Encoding.ALAW, Encoding.ALAW: Encoding.MULAW}
_IDLE = {Encoding.MULAW: b"\xff", Encoding.ALAW: b"\xd5"}
"""The code of each law for silence."""

_NO_CONTRAST = Contrast(0.0, 0.0)
"""The declared decoding is plausible, so the other one need not be checked."""

_LIKELY = 0.4
"""Correlation of neighbouring samples above which they are not misread."""

_MOST_BETWEEN_CHANNELS = 0.3
_LEAST_IN_CHANNEL = 0.6
"""Correlation: upper limit for samples of two different channels, lower limit for samples of one channel."""

_NOISY = 0.15
"""Flatness above which audio may be misread."""

Rows = npt.NDArray[np.intp]
"""Numbers of rows."""


@dataclass(frozen=True, slots=True)
class Readings:
    """The comparisons of a block with other decodings, as in `Block`."""

    law: float | None = None
    order: Contrast | None = None
    linear: Contrast | None = None
    packed: float | None = None
    is_stereo: bool = False
    is_g711: bool = False
    """Whether a law of G.711 has a code for every sample."""


def _known(law: Encoding) -> Mask:
    """Return, for each 16-bit value taken as unsigned, whether `law` has a code for it: bool `[65536]`."""
    known = np.zeros(65_536, dtype=np.bool_)
    known[decode(bytes(range(256)), law).view(np.uint16)] = True
    return known


_KNOWN = {law: _known(law) for law in _OTHER}


@cache
def _misread(law: Encoding) -> Pcm:
    """Return, for each 16-bit value taken as unsigned, how the other law reads its code: int16 `[65536]`."""
    values = np.arange(65_536, dtype=np.uint16).view(np.int16)
    return decode(encode(values, law), _OTHER[law])


def idle_readings(value: int) -> Readings:
    """Return the comparisons of a block in which all samples are `value`."""
    law = next((law for law, known in _KNOWN.items() if known[value & 0xFFFF]), None)
    if law is None:
        return Readings()
    # For a muted channel a bridge sends one code; no device produces exactly the idle code of the other law.
    is_idle_code = abs(value) == abs(int(decode(_IDLE[_OTHER[law]], law)[0]))
    return Readings(law=_IDLE_COST if is_idle_code else None)


def readings(audio: BlockArrays) -> list[Readings]:
    """Compare the declared decoding of each block with others.  No block may be idle."""
    laws = laws_of(audio.blocks)
    found = [Readings(is_g711=law is not None) for law in laws]
    audible, telling = audio.peaks > _SILENT_CODES, audio.peaks > _FAINT
    is_linear = np.array([law is None for law in laws])
    if (rows := np.flatnonzero(telling & is_linear)).size:
        _place(found, rows, _as_linear(audio.only(rows)))
    for law in _OTHER:
        is_law = np.array([one is law for one in laws])
        if (rows := np.flatnonzero(audible & is_law)).size:
            _place(found, rows, _as_g711(audio.only(rows), law, telling[rows].tolist()))
    return found


def _place(found: list[Readings], rows: Rows, ones: list[Readings]) -> None:
    for row, one in zip(rows.tolist(), ones, strict=True):
        found[row] = one


def laws_of(blocks: Pcm) -> list[Encoding | None]:
    """Return the law of G.711 whose decoder can produce all samples of a block; None for other audio."""
    found: list[Encoding | None] = [None] * len(blocks)
    seen = blocks.view(np.uint16)
    for law, known in _KNOWN.items():
        unknown = np.array([row for row, one in enumerate(found) if one is None], dtype=np.intp)
        for row in unknown[known[seen[unknown]].all(axis=1)].tolist():
            found[row] = law
    return found


def _as_g711(audio: BlockArrays, law: Encoding, telling: list[bool]) -> list[Readings]:
    """Compare samples of `law` with the other law, and those that are `telling` with 16-bit samples."""
    other = BlockArrays(_misread(law)[audio.blocks.view(np.uint16)])
    bits = (other.roughness - audio.roughness).tolist()
    contrasts = _linear(audio, law)
    return [
        Readings(law=one, linear=linear if tells else None, is_g711=True)
        for one, linear, tells in zip(bits, contrasts, telling, strict=True)
    ]


def _linear(audio: BlockArrays, law: Encoding) -> list[Contrast]:
    """Check only noise: a tone above the middle of the band aliases to a lower one when samples are dropped."""
    unlikely = np.flatnonzero(audio.neighbourhood <= _LIKELY)
    noise = unlikely[audio.flatness[unlikely] >= _NOISY] if unlikely.size else unlikely
    if not noise.size:
        return [_NO_CONTRAST] * len(audio)
    codes = encode(audio.blocks[noise].reshape(-1), law)
    return _contrasts(audio, noise, decode(codes, Encoding.L16).reshape(len(noise), -1))


def _as_linear(audio: BlockArrays) -> list[Readings]:
    """Compare 16-bit samples with the other byte order, with G.711, and with two channels."""
    unlikely = np.flatnonzero(audio.neighbourhood <= _LIKELY)
    orders = _contrasts(audio, unlikely, audio.blocks[unlikely].byteswap())
    packed = _packed(audio, orders)
    stereo = {row for row in unlikely.tolist() if _is_stereo(audio, row)}
    return [
        Readings(order=order, packed=bits, is_stereo=row in stereo)
        for row, (order, bits) in enumerate(zip(orders, packed, strict=True))
    ]


def _packed(audio: BlockArrays, orders: list[Contrast]) -> list[float]:
    """Return 0 for blocks without noise, or if the other byte order explains it."""
    found = [0.0] * len(audio)
    explained = np.array([order.is_against for order in orders])
    rows = np.flatnonzero(~explained & (audio.flatness >= _NOISY))
    if rows.size:
        codes = audio.blocks[rows].tobytes()
        others = [BlockArrays(decode(codes, law).reshape(len(rows), -1)) for law in _OTHER]
        least = np.minimum(*(other.roughness for other in others))
        for row, bits in zip(rows.tolist(), (least - audio.roughness[rows]).tolist(), strict=True):
            found[row] = bits
    return found


def _is_stereo(audio: BlockArrays, row: int) -> bool:
    """
    Return whether neighbouring samples are uncorrelated while every second sample is correlated.

    The correlation must hold for both channels, or for the much louder one.  No single tone has this property
    (cos 2w is negative where cos w is small), and no tested voice had it.
    """
    if abs(float(audio.neighbourhood[row])) > _MOST_BETWEEN_CHANNELS:
        return False
    sides = BlockArrays(np.ascontiguousarray(audio.blocks[row].reshape(-1, 2).T))
    powers = np.square(sides.waves).mean(axis=1)
    alike: Wave = sides.neighbourhood
    apart = powers.max() > 4 * powers.min()
    return bool((alike[powers.argmax()] if apart else alike.min()) > _LEAST_IN_CHANNEL)


def _contrasts(audio: BlockArrays, rows: Rows, blocks: Pcm) -> list[Contrast]:
    """Return the contrast of each block with another decoding: those with these `rows` are `blocks`."""
    found = [_NO_CONTRAST] * len(audio)
    if rows.size:
        other = BlockArrays(blocks)
        rough = (other.roughness - audio.roughness[rows]).tolist()
        smooth = (audio.neighbourhood[rows] - other.neighbourhood).tolist()
        for row, *values in zip(rows.tolist(), rough, smooth, strict=True):
            found[row] = Contrast(*values)
    return found
