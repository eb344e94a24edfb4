"""The compiled step gives what the pure one gives, sample for sample and tick for tick."""

import tracemalloc
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.examples import examples

from cli.recording import read_recording
from protocol.audio import Encoding, Pcm, decode, encode
from protocol.events import ChannelTotals
from streaming.audio import compiled
from streaming.audio.channel_segmenter import ChannelSegmenter
from streaming.audio.compiled_endpointing import new_tracker
from streaming.audio.dtmf import DtmfDetector, Key
from streaming.audio.resampler import to_pcm
from streaming.audio.sample_buffer import SampleBuffer
from streaming.audio.sound_events import SegmentGrew, SoundEvent
from streaming.audio.vad_runner import run_vad
from streaming.audio.voice_activity.compiled_detector import CompiledDetector
from streaming.audio.voice_activity.silero import (
    Silero,
    VadQuery,
    VadResult,
    silero_weights,
    windows_of,
)
from streaming.audio.voice_activity.silero_network import SileroNetwork, load_weights
from streaming.audio.voice_activity.vad import AnyDetector, Detector
from streaming.audio.voice_activity.vad_choice import Vad

pytestmark = pytest.mark.skipif(
    compiled.installed() is None, reason="trunkline-native is not built: make native"
)

LAWS = st.sampled_from([None, Encoding.MULAW, Encoding.ALAW])
SIZES = st.lists(st.integers(1, 900), min_size=1, max_size=5)
GAINS_DB = st.sampled_from([0, -10, -25, -35, -50])


CALL = Path(__file__).parents[3] / "cli" / "demo" / "call.wav"


@cache
def channels() -> list[Pcm]:
    return [np.asarray(pcm, dtype=np.int16) for pcm in read_recording(CALL).channels]


def coded(pcm: Pcm, law: Encoding | None) -> Pcm:
    return decode(encode(pcm, law), law) if law else pcm


def louder(pcm: Pcm, gain_db: float) -> Pcm:
    return to_pcm(pcm * np.float32(10 ** (gain_db / 20)))


def recorded(seed: int, seconds: float = 6.0) -> Pcm:
    """A piece of the shipped call, in a third of the cases between pieces of noise and of digital silence."""
    rng = np.random.default_rng(seed)
    whole = channels()[rng.integers(2)]
    start = int(rng.integers(len(whole) - 8_000 * int(seconds)))
    pcm = whole[start : start + round(8_000 * seconds)]
    if rng.integers(3):
        return pcm
    noise = rng.normal(0, rng.choice([3, 300, 9_000]), 8_000).clip(-32_768, 32_767)
    return np.concatenate([pcm[:16_000], noise.astype(np.int16), np.zeros(8_000, np.int16), pcm])


def flat(event: SoundEvent) -> object:
    """The event with its samples as bytes, which can be compared."""
    if isinstance(event, SegmentGrew):
        return event.number, event.pcm.tobytes(), event.speaking
    return event


def told(
    segmenter: ChannelSegmenter, pcm: Pcm, sizes: list[int], losses: dict[int, int], silero: Silero
) -> tuple[list[object], ChannelTotals, list[float]]:
    """All events, the accounts and the latest levels; `losses`: samples lost behind a frame, by its number."""
    events, at, turn = list[SoundEvent](), 0, 0
    while at < len(pcm):
        size = sizes[turn % len(sizes)]
        segmenter.feed(pcm[at : at + size])
        events += run_vad([segmenter], silero)[0]
        while segmenter.query:
            events += run_vad([segmenter], silero)[0]
        at, turn = at + size, turn + 1
        if turn in losses:
            segmenter.lose(losses[turn])
    events += segmenter.finish()
    return [flat(event) for event in events], segmenter.totals, segmenter.levels.tolist()


@settings(max_examples=examples(25))
@given(
    st.integers(0, 10_000),
    LAWS,
    GAINS_DB,
    SIZES,
    st.dictionaries(
        st.integers(1, 60), st.sampled_from([80, 333, 800, 16_000, 20_001]), max_size=3
    ),
    st.sampled_from([8_000, 16_000]),
    st.sampled_from(Vad),
    st.booleans(),
)
def test_a_channel_has_the_events_the_accounts_and_the_levels_of_the_pure_path(
    silero: Silero,
    seed: int,
    law: Encoding | None,
    gain_db: float,
    sizes: list[int],
    losses: dict[int, int],
    rate: int,
    vad: Vad,
    separated: bool,
) -> None:
    pcm = coded(louder(recorded(seed), gain_db), law).repeat(rate // 8_000)

    found = []
    for wanted in (True, False):
        with compiled.using(wanted=wanted):
            tracker = new_tracker() if separated else None
            segmenter = ChannelSegmenter(vad=vad, rate=rate, background=tracker)
            found.append(told(segmenter, pcm, sizes, losses, silero))

    assert found[0] == found[1]


@settings(max_examples=examples(25))
@given(
    st.integers(0, 10_000),
    LAWS,
    GAINS_DB,
    st.lists(st.integers(100, 900), min_size=1, max_size=5),
    st.sampled_from(Vad),
    st.booleans(),
    st.integers(1, 5),
)
def test_ticks_queries_and_amplified_samples_are_those_of_the_pure_path(
    seed: int,
    law: Encoding | None,
    gain_db: float,
    sizes: list[int],
    vad: Vad,
    levelled: bool,
    certain: int,
) -> None:
    """Answers of a model that is not Silero, so that both get the same ones."""
    step = compiled.installed()
    assert step is not None
    pcm = coded(louder(recorded(seed, 2.0), gain_db), law)
    pure = Detector(vad, levelled=levelled)
    fast = CompiledDetector(step, vad, levelled=levelled)

    at = turn = 0
    while at < len(pcm):
        piece = pcm[at : at + sizes[turn % len(sizes)]]
        at, turn = at + len(piece), turn + 1
        for detector in (pure, fast):
            detector.feed(piece)
        assert (fast.heard, fast.has_audio) == (pure.heard, pure.has_audio)
        while query := pure.query:
            same = fast.query
            assert same is not None
            assert np.array_equal(same.windows, query.windows)
            assert np.array_equal(same.memory, query.memory)
            answer = judged(query, certain)
            pure.apply(answer)
            fast.apply(answer)
        assert fast.query is None
        assert fast.drain() == pure.drain()
        assert (fast.heard, fast.needed) == (pure.heard, pure.needed)
        assert samples(fast) == samples(pure)
        if turn % 9 == 0:
            conclude_and_skip([pure, fast])


def judged(query: VadQuery, certain: int) -> VadResult:
    """An answer that changes from window to window, and depends on samples and memory."""
    found = np.abs(query.windows).mean(axis=1) * 40 * certain + query.memory.mean()
    return VadResult(tuple(found.clip(0, 1).tolist()), query.memory + np.float32(0.01))


def samples(detector: AnyDetector) -> tuple[int, bytes]:
    audio = detector.audio
    audio.forget_soon(detector.needed)
    return audio.start, audio.cut(audio.start, audio.end).tobytes()


def conclude_and_skip(detectors: list[AnyDetector]) -> None:
    """As a channel does when audio is lost: to the end of the tick, then over whole ticks."""
    for detector in detectors:
        detector.feed(np.zeros(-detector.heard % 160, dtype=np.int16))
        detector.conclude()
        detector.drain()
        detector.skip(3)


@pytest.mark.parametrize("width", [64, 32, 16, 0])
def test_the_network_gives_what_the_pure_one_gives(silero: Silero, width: int) -> None:
    """For the registers of each kind of processor, or the widest that this one has."""
    weights = silero_weights()
    assert weights is not None
    network = SileroNetwork(load_weights(weights)).compile(width)
    assert network is not None
    assert network.width <= width
    rng = np.random.default_rng(width)
    pcm = np.concatenate([recorded(seed) for seed in range(6)])

    at, memory = 0, np.zeros((2, 128), dtype=np.float32)
    while at + 32 + 10 * 256 <= len(pcm):
        count, context = int(rng.integers(1, 11)), int(rng.integers(0, 33))
        heard = pcm[at : at + context + count * 256]
        [expected] = silero.predict([VadQuery(windows_of(heard, count), memory)])
        found, after = network.predict(heard, count, memory.tobytes())

        assert found == pytest.approx(expected.probabilities, abs=1e-5)
        assert np.allclose(np.frombuffer(after, np.float32), expected.memory.ravel(), atol=1e-4)
        at, memory = at + count * 256, expected.memory


@pytest.mark.parametrize(
    ("samples", "windows", "memory"),
    [(255, 1, 1_024), (289, 1, 1_024), (256, 0, 1_024), (2_816, 11, 1_024), (256, 1, 1_020)],
)
def test_the_network_refuses_other_sizes(
    silero: Silero, samples: int, windows: int, memory: int
) -> None:
    network = silero.compiled
    assert network is not None

    with pytest.raises(ValueError, match="window"):
        network.predict(np.zeros(samples, np.int16), windows, bytes(memory))


TONES = {"1": (697, 1209), "5": (770, 1336), "9": (852, 1477), "D": (941, 1633)}


def dialled(seed: int, rate: int) -> Pcm:
    """Digits of many lengths, levels and twists, beside speech, noise and silence."""
    rng = np.random.default_rng(seed)
    speech = recorded(seed).astype(np.float64).repeat(rate // 8_000)
    parts = []
    for _ in range(30):
        at = np.arange(int(rng.integers(rate // 50, rate // 8))) / rate
        low, high = TONES[str(rng.choice(list(TONES)))]
        level, twist = 10 ** rng.uniform(1, 4), 10 ** rng.uniform(-0.4, 0.4)
        detuned = 1 + rng.uniform(-0.02, 0.02)
        digit = level * (
            np.sin(2 * np.pi * low * at * detuned) + twist * np.sin(2 * np.pi * high * at)
        )
        begin = int(rng.integers(len(speech) - len(at)))
        between = speech[begin : begin + len(at)] * rng.choice([0, 0.05, 1])
        parts += [digit + between * rng.choice([0, 0.3]), between]
    return to_pcm(np.concatenate(parts).astype(np.float32))


@settings(max_examples=examples(40))
@given(st.integers(0, 10_000), SIZES, st.sampled_from([8_000, 16_000]), st.sets(st.integers(1, 80)))
def test_digits_are_those_of_the_pure_path(
    seed: int, sizes: list[int], rate: int, gaps: set[int]
) -> None:
    pcm = dialled(seed, rate)

    found = list[list[Key]]()
    for wanted in (True, False):
        with compiled.using(wanted=wanted):
            detector, keys = DtmfDetector(rate), list[Key]()
        at = turn = lost = 0
        while at < len(pcm):
            piece = pcm[at : at + sizes[turn % len(sizes)]]
            keys += detector.feed(at + lost, piece)
            at, turn = at + len(piece), turn + 1
            lost += 777 if turn in gaps else 0
        found.append(keys)

    assert found[0] == found[1]


CHANGES = st.one_of(
    st.tuples(st.sampled_from(["append", "extend"]), st.integers(0, 4_000)),
    st.tuples(st.sampled_from(["forget", "forget_soon", "cut"]), st.integers(-200, 6_000)),
    st.tuples(st.just("jump"), st.integers(0, 50_000)),
)


@settings(max_examples=examples(200))
@given(st.lists(CHANGES, max_size=40))
def test_a_buffer_keeps_the_samples_of_the_pure_one(changes: list[tuple[str, int]]) -> None:
    step = compiled.installed()
    assert step is not None
    pure, fast, rng = SampleBuffer(), step.SampleBuffer(), np.random.default_rng(1)

    for what, number in changes:
        match what:
            case "append" | "extend":
                pcm = rng.integers(-32_768, 32_768, number).astype(np.int16)
                for buffer in (pure, fast):
                    getattr(buffer, what)(pcm if what == "append" else pcm.tobytes())
            case "cut":
                first = min(max(pure.start, pure.start + number), pure.end)
                found = fast.cut(first, pure.end)
                assert (found.dtype, found.tobytes()) == (
                    np.int16,
                    pure.cut(first, pure.end).tobytes(),
                )
            case "jump":
                pure.jump(number)
                fast.jump(number)
            case _:
                before = pure.start + number
                for buffer in (pure, fast):
                    getattr(buffer, what)(before)
        assert (fast.start, fast.end) == (pure.start, pure.end)
    assert fast.cut(fast.start, fast.end).tobytes() == pure.cut(pure.start, pure.end).tobytes()


@pytest.mark.parametrize(("start", "end"), [(9, 20), (10, 31), (20, 15), (-1, 2)])
def test_samples_that_are_not_kept_are_refused_in_the_words_of_the_pure_one(
    start: int, end: int
) -> None:
    step = compiled.installed()
    assert step is not None
    pure, fast = SampleBuffer(), step.SampleBuffer()

    refusals = []
    for buffer in (pure, fast):
        buffer.jump(10)
        buffer.append(np.zeros(20, dtype=np.int16))
        with pytest.raises(ValueError, match="requested") as refused:
            buffer.cut(start, end)
        refusals.append(str(refused.value))
    assert refusals[0] == refusals[1]


def test_samples_that_are_not_contiguous_are_read_in_order() -> None:
    step = compiled.installed()
    assert step is not None
    stereo = np.arange(640, dtype=np.int16).reshape(-1, 2)
    detector = CompiledDetector(step, Vad.WEBRTC, levelled=False)

    detector.feed(stereo[:, 1])
    detector.drain()

    assert detector.audio.cut(0, 320).tobytes() == stereo[:, 1].tobytes()


@pytest.mark.parametrize("pcm", [np.zeros(160), np.zeros((2, 160), np.int16), b"\0\0"])
def test_other_arrays_than_16_bit_samples_of_one_channel_are_refused(pcm: object) -> None:
    step = compiled.installed()
    assert step is not None
    detector = CompiledDetector(step, Vad.BOTH, levelled=True)

    with pytest.raises(TypeError, match="16-bit"):
        detector.feed(pcm)  # type: ignore[arg-type]

    assert detector.heard == 0


def test_a_detector_that_was_not_initialised_is_refused() -> None:
    step = compiled.installed()
    assert step is not None
    kind = type(step.Detector(webrtc=True, silero=False, levelled=False))

    with pytest.raises(TypeError, match="initialised"):
        step.run([kind.__new__(kind)], None, 1)


def test_the_pure_path_can_be_chosen() -> None:
    with compiled.using(wanted=False):
        assert compiled.step() is None
        assert DtmfDetector().windows.__class__.__module__ == "streaming.audio.dtmf"
    with compiled.using(wanted=True):
        assert compiled.step() is compiled.installed()
        assert DtmfDetector().windows.__class__.__module__ == "trunkline_native"


def test_the_memory_of_a_burst_is_given_back() -> None:
    """Ten seconds arrive at once after a stall of the gateway; the channel does not keep their room."""
    detector = DtmfDetector(8_000)
    frame, burst = np.zeros(160, dtype=np.int16), np.zeros(80_000, dtype=np.int16)
    tracemalloc.start()
    try:
        detector.feed(0, burst[:640])
        before, _ = tracemalloc.get_traced_memory()
        detector.feed(640, burst)
        detector.add(640 + len(burst), frame)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert after - before < burst.nbytes / 4
