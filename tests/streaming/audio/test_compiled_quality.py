"""The compiled step measures line quality as numpy does: decisions alike, numbers to the rounding of float32."""

from collections.abc import Callable
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy
from support import sounds
from support.examples import examples

from cli.recording import read_recording
from protocol.audio import Encoding, Pcm, decode, encode
from protocol.events import LineWarning
from streaming.audio import compiled
from streaming.audio.quality.block import Balance, Block, Contrast
from streaming.audio.quality.block_stats import measure, measure_all
from streaming.audio.quality.monitor import QualityMonitor

pytestmark = pytest.mark.skipif(
    compiled.installed() is None, reason="trunkline-native is not built: make native"
)

MULAW, ALAW = Encoding.MULAW, Encoding.ALAW
SECOND = 8_000
BLOCK = 2_000
CALL = Path(__file__).parents[3] / "cli" / "demo" / "call.wav"

EDGES_DBFS = (-35.0, -40.0)
"""Levels from which a block has more measurements: the paths may round one on an edge differently."""


@cache
def voices() -> tuple[Pcm, ...]:
    return tuple(np.asarray(pcm, dtype=np.int16) for pcm in read_recording(CALL).channels)


def speech(seed: int, count: int, gain_db: float = 0.0) -> Pcm:
    """`count` samples of the shipped call."""
    rng = np.random.default_rng(seed)
    voice = voices()[rng.integers(2)]
    start = int(rng.integers(len(voice) - count))
    return limited(voice[start : start + count] * 10 ** (gain_db / 20))


def limited(wave: np.ndarray[tuple[int, ...], np.dtype[np.floating]]) -> Pcm:
    pcm: Pcm = np.clip(wave, -32_768, 32_767).astype(np.int16)
    return pcm


def twice(pcm: Pcm, law: Encoding) -> Pcm:
    return np.frombuffer(encode(np.tile(pcm, 2), law), np.int16).copy()


FORMS: dict[str, Callable[[Pcm], Pcm]] = {
    "linear": lambda pcm: pcm,
    "mu-law": lambda pcm: decode(encode(pcm, MULAW), MULAW),
    "A-law": lambda pcm: decode(encode(pcm, ALAW), ALAW),
    "A-law as mu-law": lambda pcm: decode(encode(pcm, ALAW), MULAW),
    "mu-law as A-law": lambda pcm: decode(encode(pcm, MULAW), ALAW),
    "linear as mu-law": lambda pcm: decode(pcm.tobytes()[: len(pcm)], MULAW),
    "linear as A-law": lambda pcm: decode(pcm.tobytes()[: len(pcm)], ALAW),
    "mu-law as linear": lambda pcm: twice(pcm, MULAW),
    "A-law as linear": lambda pcm: twice(pcm, ALAW),
    "big-endian": lambda pcm: pcm.byteswap(),
    "two channels as one": lambda pcm: np.stack([pcm, np.roll(pcm, 999)], 1).reshape(-1),
    "a loud and a soft channel as one": lambda pcm: np.stack([pcm, pcm // 8], 1).reshape(-1),
    "with noise": lambda pcm: limited(pcm + 1.0 * sounds.white_noise(len(pcm) / SECOND, -30)),
    "with DC": lambda pcm: limited(pcm + 9_000.0),
    "clipped": lambda pcm: limited(pcm * 40.0),
    "noise": lambda pcm: sounds.white_noise(len(pcm) / SECOND, -28, int(pcm[0]) & 0xFF),
    "a tone": lambda pcm: sounds.tone(len(pcm) / SECOND, 300 + float(abs(int(pcm[0])) % 3_000)),
    "silence": np.zeros_like,
}


def formed(form: str, pcm: Pcm) -> Pcm:
    return np.ascontiguousarray(FORMS[form](pcm)[: len(pcm)])


def both(pcm: Pcm) -> tuple[Block, Block]:
    """The measurements of numpy, and of the compiled step."""
    with compiled.using(wanted=False):
        pure = measure(7, pcm)
    with compiled.using(wanted=True):
        return pure, measure(7, pcm)


def assert_alike(pure: Block, found: Block) -> None:
    """Numbers within 0.2 % or 0.005; None, booleans and decisions equal."""
    for name, value in asdict(pure).items():
        other = asdict(found)[name]
        assert type(other) is type(value), name
        if isinstance(value, float) or (isinstance(value, dict) and name != "balance"):
            assert other == pytest.approx(value, rel=2e-3, abs=5e-3), name
        elif name != "balance":
            assert other == value, name
    assert (_is_against(pure.order), _is_against(pure.linear)) == (
        _is_against(found.order),
        _is_against(found.linear),
    )
    if pure.balance is not None and found.balance is not None:
        assert _spectrum(found.balance) == pytest.approx(
            _spectrum(pure.balance), rel=2e-3, abs=1e-6
        )


def _is_against(contrast: Contrast | None) -> bool:
    return contrast is not None and contrast.is_against


def _spectrum(balance: Balance) -> tuple[float, float, float]:
    """Amplitudes: those below a millionth of the whole are rounding; and the centroid."""
    return 10 ** (balance.bass / 20), 10 ** (balance.high / 20), balance.centroid


def is_on_edge(block: Block) -> bool:
    levels = (block.loudest, block.softest)
    return any(abs(level - edge) < 1e-3 for level in levels for edge in EDGES_DBFS)


@settings(max_examples=examples(200))
@given(
    st.sampled_from(sorted(FORMS)),
    st.integers(0, 100_000),
    st.sampled_from([10.0, 0.0, -10.0, -20.0, -30.0, -50.0]),
)
def test_a_block_has_the_measurements_of_the_pure_path(
    form: str, seed: int, gain_db: float
) -> None:
    pure, found = both(formed(form, speech(seed, BLOCK, gain_db)))

    assume(not is_on_edge(pure))
    assert_alike(pure, found)


@settings(max_examples=examples(100))
@example(np.array([-32_768] * 249 + [-32_767], np.int16), 8)
@given(
    st_numpy.arrays(np.int16, 40, elements=st.integers(-32_768, 32_767)),
    st.sampled_from([40, 25, 8, 2]),
)
def test_levels_clipping_and_the_law_are_those_of_the_pure_path_for_any_samples(
    pattern: Pcm, repeats: int
) -> None:
    """Samples repeated one by one, and all of them again and again."""
    pcm = np.resize(pattern.repeat(repeats), BLOCK)

    pure, found = both(pcm)

    assume(not is_on_edge(pure))
    for name in ("idle", "offset", "clipped"):
        assert getattr(found, name) == getattr(pure, name), name
    for name in ("loudest", "softest"):
        assert getattr(found, name) == pytest.approx(getattr(pure, name), rel=1e-3), name
    assert found.law == (None if pure.law is None else pytest.approx(pure.law, abs=1e-3))
    for name in ("order", "linear", "packed", "balance"):
        assert (getattr(found, name) is None) == (getattr(pure, name) is None), name


def click(at: int) -> Pcm:
    pcm = np.zeros(BLOCK, np.int16)
    pcm[at] = 32_767
    return pcm


EXTREMES: dict[str, Pcm] = {
    "digital silence": np.zeros(BLOCK, np.int16),
    "the idle code of A-law as mu-law": decode(b"\xd5" * BLOCK, MULAW),
    "the idle code of mu-law as A-law": decode(b"\xff" * BLOCK, ALAW),
    "a value that is no code": np.full(BLOCK, 3, np.int16),
    "the least sample": np.full(BLOCK, -32_768, np.int16),
    "the largest sample": np.full(BLOCK, 32_767, np.int16),
    "a square wave at full scale": np.resize(np.repeat([-32_768, 32_767], 8), BLOCK).astype(
        np.int16
    ),
    "a click at the first sample": click(0),
    "a click at the last sample": click(BLOCK - 1),
    "a click": click(BLOCK // 2),
    "a step": np.repeat([-20_000, 20_000], BLOCK // 2).astype(np.int16),
    "a ramp": np.linspace(-32_768, 32_767, BLOCK).astype(np.int16),
    "the smallest codes of mu-law": np.resize([0, 8, -8], BLOCK).astype(np.int16),
    "one bit": np.resize([0, 1], BLOCK).astype(np.int16),
    "a tone": sounds.tone(0.25, 1_000.0, -6.0),
    "the largest steps, with noise": limited(
        np.resize([-31_000, 31_000], BLOCK) + np.random.default_rng(1).normal(0, 800, BLOCK)
    ),
    "noise at full scale": limited(np.random.default_rng(1).normal(0, 60_000, BLOCK)),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", EXTREMES)
def test_extreme_blocks_have_the_measurements_of_the_pure_path(name: str) -> None:
    assert_alike(*both(EXTREMES[name]))


def test_quarters_of_equal_power_are_told_apart_by_their_order() -> None:
    """The flatness is that of the first of the softest quarters."""
    noise = sounds.white_noise(0.0625, -20, 1)
    sine = sounds.tone(0.0625, 1_000.0, -15.0)
    for pcm in (
        np.concatenate([sine, noise, noise[::-1], sine]),
        np.concatenate([noise, np.sort(noise), sine, sine]),
        np.concatenate([np.sort(noise), noise, sine, sine]),
    ):
        pure, found = both(np.ascontiguousarray(pcm))
        assert found.flatness == pytest.approx(pure.flatness, abs=1e-3)


def warnings_of(pcm: Pcm) -> list[LineWarning]:
    """As a channel is heard whose every other second is speech."""
    monitor, said = QualityMonitor(1), list[LineWarning]()
    for at in range(0, len(pcm), 160):
        said += monitor.feed(0, at, pcm[at : at + 160], speaking=at // SECOND % 2 == 0)
    return said


@settings(max_examples=examples(40))
@given(
    st.lists(st.sampled_from(sorted(FORMS)), min_size=1, max_size=3),
    st.integers(0, 100_000),
    st.sampled_from([0.0, -25.0]),
)
def test_a_line_gives_the_warnings_of_the_pure_path(
    forms: list[str], seed: int, gain_db: float
) -> None:
    """One form after the other."""
    parts = [formed(form, speech(seed + n, 5 * SECOND, gain_db)) for n, form in enumerate(forms)]
    said = []
    for wanted in (False, True):
        with compiled.using(wanted=wanted):
            said.append(warnings_of(np.concatenate(parts)))

    assert [(one.fault, one.check, one.at) for one in said[1]] == [
        (one.fault, one.check, one.at) for one in said[0]
    ]
    assert [one.measured for one in said[1]] == pytest.approx(
        [one.measured for one in said[0]], rel=1e-3, abs=0.02
    )


def test_a_block_is_int16_of_250_ms_and_need_not_be_contiguous() -> None:
    step = compiled.installed()
    assert step is not None
    pcm = speech(1, 2 * BLOCK)

    assert step.measure_block(pcm[::2]) == step.measure_block(pcm[::2].copy())
    for wrong in (pcm, pcm[: BLOCK - 1], pcm.view(np.int32), pcm[:BLOCK].reshape(2, -1)):
        with pytest.raises(TypeError):
            step.measure_block(cast("Pcm", wrong))


def test_other_rates_are_measured_by_numpy() -> None:
    blocks = [speech(1, 2 * BLOCK), speech(2, 2 * BLOCK)]
    with compiled.using(wanted=False):
        pure = measure_all([0, 0], blocks, 2 * SECOND)
    with compiled.using(wanted=True):
        assert measure_all([0, 0], blocks, 2 * SECOND) == pure


@pytest.mark.parametrize("law", [MULAW, ALAW])
def test_the_codes_of_the_samples_of_a_law_are_those_of_the_pure_path(law: Encoding) -> None:
    step = compiled.installed()
    assert step is not None
    pcm = decode(bytes(range(256)), law)

    assert step.pack(pcm.tobytes(), law is ALAW) == encode(pcm, law)
