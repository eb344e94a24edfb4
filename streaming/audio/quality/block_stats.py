"""Measures blocks of 250 ms, those of many channels at once."""

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy import fft

from protocol.audio import Pcm
from protocol.clock import CALL_RATE

from .. import compiled
from .block import Balance, Block, Contrast
from .block_arrays import BANDS, BlockArrays, Mask, Wave, flatness
from .misreading import Readings, idle_readings, readings

BLOCK = CALL_RATE // 4
"""Samples of the call clock in a block: 250 ms."""

FULL_SCALE = 32_768

SILENT_DBFS = -120.0
"""The level used for digital silence."""

_TICK = BLOCK // 12
"""Samples over which a level is measured: about 20 ms."""

_CLIPPED = 31_000
"""From this value a sample counts as full scale: the laws of G.711 end at 32,124 and 32,256."""

_LOUD_DBFS = -35.0
"""If no tick is louder, missing high frequencies may only be too soft."""

_NEVER_DBFS = -40.0
"""If any tick is softer, there is no steady noise to check."""

_TONAL = 0.03
"""Flatness below which the block contains tones, whose high frequencies are not missing; speech has 0.2."""


def measure(start: int, pcm: Pcm, rate: int = CALL_RATE) -> Block:
    """Measure one block, as `measure_all`."""
    return measure_all([start], [pcm], rate)[0]


def measure_all(starts: Sequence[int], blocks: Sequence[Pcm], rate: int = CALL_RATE) -> list[Block]:
    """
    Measure blocks.  Returns the values that the fault detector compares, for each block.

    `blocks`: int16, `[samples]`, 250 ms each at `rate` Hz; `starts`: their positions in samples of the call clock
    (8 kHz).  Blocks of the call's rate are measured by the compiled step, if it is in use.
    """
    step = compiled.step()
    if step is not None and rate == CALL_RATE:
        return [
            _from_step(start, step.measure_block(pcm))
            for start, pcm in zip(starts, blocks, strict=True)
        ]
    return _measure_arrays(starts, np.stack(blocks), rate)


def _from_step(start: int, measured: compiled.MeasuredBlock) -> Block:
    order, linear, balance = measured[6], measured[7], measured[10]
    return Block(
        start,
        *measured[:6],
        order and Contrast(*order),
        linear and Contrast(*linear),
        *measured[8:10],
        balance and Balance(*balance),
        *measured[11:],
    )


def _measure_arrays(starts: Sequence[int], blocks: Pcm, rate: int) -> list[Block]:
    """As `measure_all`, with numpy.  `blocks`: `[n, samples]`."""
    idle = BlockArrays(blocks).idle
    if not idle.any():
        return _active(starts, BlockArrays(blocks), rate)
    found = [_idle(start, int(value)) for start, value in zip(starts, blocks[:, 0], strict=True)]
    rows = np.flatnonzero(~idle).tolist()
    if rows:
        measured = _active([starts[row] for row in rows], BlockArrays(blocks[rows]), rate)
        for row, block in zip(rows, measured, strict=True):
            found[row] = block
    return found


def _idle(start: int, value: int) -> Block:
    """Return the measurements of a block in which all samples are `value`."""
    return Block(
        start=start,
        idle=True,
        loudest=SILENT_DBFS,
        softest=SILENT_DBFS,
        offset=value / FULL_SCALE,
        clipped=float(abs(value) >= _CLIPPED),
        law=idle_readings(value).law,
    )


def _active(starts: Sequence[int], audio: BlockArrays, rate: int) -> list[Block]:
    """Measure blocks of which none is idle."""
    levels = _levels(audio, _TICK * rate // CALL_RATE)
    softest, loudest = levels.min(axis=1), levels.max(axis=1)
    is_loud, is_steady = loudest > _LOUD_DBFS, softest > _NEVER_DBFS
    columns = (
        starts,
        loudest.tolist(),
        softest.tolist(),
        (audio.blocks.mean(axis=1) / FULL_SCALE).tolist(),
        _clipped(audio),
        readings(audio),
        _balances(audio, is_loud, rate),
        _trebles(audio, is_loud, rate),
        _flatness_of_softest(audio, is_steady),
    )
    return [_block(*row) for row in zip(*columns, strict=True)]


def _block(
    start: int,
    loudest: float,
    softest: float,
    offset: float,
    clipped: float,
    reading: Readings,
    balance: Balance | None,
    treble: float | None,
    flat: float,
) -> Block:
    return Block(
        start=start,
        idle=False,
        loudest=loudest,
        softest=softest,
        offset=offset,
        clipped=clipped,
        law=reading.law,
        order=reading.order,
        linear=reading.linear,
        packed=reading.packed,
        is_stereo=reading.is_stereo,
        balance=balance,
        treble=None if reading.is_g711 else treble,
        flatness=flat,
    )


def _levels(audio: BlockArrays, tick: int) -> Wave:
    """Return the level of each whole tick in dBFS, without DC: `[n, ticks]`."""
    count = audio.blocks.shape[1] // tick
    ticks = audio.centred[:, : count * tick].reshape(-1, count, tick)
    power = np.einsum("ijk,ijk->ij", ticks, ticks) / tick / FULL_SCALE**2
    levels: Wave = 10 * np.log10(np.maximum(power, 10 ** (SILENT_DBFS / 10)))
    return levels


def _clipped(audio: BlockArrays) -> list[float]:
    """Return the share of the samples of each block that are next to each other at full scale."""
    shares = np.zeros(len(audio))
    if (rows := np.flatnonzero(audio.peaks >= _CLIPPED)).size:
        end = np.abs(audio.blocks[rows].astype(np.int32)) >= _CLIPPED
        shares[rows] = (end[:, 1:] & end[:, :-1]).mean(axis=1)
    found: list[float] = shares.tolist()
    return found


def _flatness_of_softest(audio: BlockArrays, is_steady: Mask) -> list[float]:
    """Return the flatness of the softest quarter, the background without speech; 0 unless `is_steady`."""
    found = np.zeros(len(audio))
    if (rows := np.flatnonzero(is_steady)).size:
        quarters = audio.waves[rows].reshape(len(rows), 4, -1)
        # Exact sums, so that of quarters with equal power the first is taken.
        powers = np.einsum("ijk,ijk->ij", quarters, quarters, dtype=np.float64)
        softest = powers.argmin(axis=1)
        pcm = audio.blocks[rows].reshape(len(rows), 4, -1)[np.arange(len(rows)), softest]
        found[rows] = BlockArrays(pcm).flatness
    flat: list[float] = found.tolist()
    return flat


@cache
def _hertz(length: int, rate: int) -> tuple[Wave, tuple[slice, slice, slice]]:
    """Return the frequencies of a power spectrum, and its parts of speech, of bass, and above telephone speech."""
    hertz = fft.rfftfreq(length, 1 / rate)

    def part(low: float, high: float) -> slice:
        return slice(*np.searchsorted(hertz, (low, high)).tolist())

    return hertz, (part(80, 3_400), part(80, 250), part(4_200, 7_600))


def _balances(audio: BlockArrays, is_loud: Mask, rate: int) -> list[Balance | None]:
    """Return the balance of the power spectrum of each loud block."""
    found: list[Balance | None] = [None] * len(audio)
    if not (rows := np.flatnonzero(is_loud)).size:
        return found
    power = audio.power[rows]
    hertz, parts = _hertz(audio.blocks.shape[1], rate)
    speech, bass, high = (
        10 * np.log10(power[:, part].sum(axis=1) + np.float32(1)) for part in parts
    )
    centroid = (
        power @ hertz / np.maximum(power.sum(axis=1), 1)
    )  # 0 for a click at the edge of the window
    columns = (bass - speech).tolist(), (high - speech).tolist(), centroid.tolist()
    for row, *values in zip(rows.tolist(), *columns, strict=True):
        found[row] = Balance(*values)
    return found


def _trebles(audio: BlockArrays, is_loud: Mask, rate: int) -> list[float | None]:
    """Return how far the band above half of the Nyquist frequency is below the one under it, in dB."""
    found: list[float | None] = [None] * len(audio)
    if rate != CALL_RATE or not (rows := np.flatnonzero(is_loud)).size:
        return found
    spectra = audio.spectra[rows]
    tonal = flatness(spectra[:, BANDS // 10 : BANDS // 2]) < _TONAL
    quarter = BANDS // 4
    low = spectra[:, quarter : 2 * quarter - 2].mean(axis=1)
    high = spectra[:, 2 * quarter + 4 : 3 * quarter + 4].mean(axis=1)
    trebles = (10 * np.log10(low / high)).tolist()
    for row, value, is_tonal in zip(rows.tolist(), trebles, tonal.tolist(), strict=True):
        found[row] = None if is_tonal else value
    return found
