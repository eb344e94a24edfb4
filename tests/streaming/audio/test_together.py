"""Many channels processed together give, sample for sample, what each gives alone; frames in order take a short way."""

from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.examples import examples

from protocol.audio import Encoding, Pcm, decode, encode
from streaming.audio.dtmf import DtmfDetector, Key, detect
from streaming.audio.jitter_buffer import Gap, JitterBuffer, Late, Placed, Placement
from streaming.audio.levelling import Leveller
from streaming.audio.voice_activity.ticks import Tick
from streaming.audio.voice_activity.vad import classify, new_detector
from streaming.audio.voice_activity.vad_choice import Vad

pytestmark = pytest.mark.usefixtures("audio_path")

TONES = {"1": (697, 1209), "5": (770, 1336), "#": (941, 1477)}

LAWS = st.sampled_from([Encoding.MULAW, Encoding.ALAW])


def sound(seed: int, law: Encoding) -> Pcm:
    """Two seconds of digits, noise, voice-like buzz and digital silence, through a law of G.711."""
    rng = np.random.default_rng(seed)
    parts = []
    at = np.arange(800) / 8_000
    for _ in range(20):
        match int(rng.integers(4)):
            case 0:
                low, high = TONES[str(rng.choice(list(TONES)))]
                parts.append(6_000 * (np.sin(2 * np.pi * low * at) + np.sin(2 * np.pi * high * at)))
            case 1:
                parts.append(rng.normal(0, rng.choice([5, 800, 6_000]), 800))
            case 2:
                harmonics = [3_000 * np.sin(2 * np.pi * 140 * n * at) / n for n in range(1, 9)]
                parts.append(np.sum(harmonics, axis=0))
            case _:
                parts.append(np.zeros(800))
    pcm = np.concatenate(parts).clip(-32_000, 32_000).astype(np.int16)
    return decode(encode(pcm, law), law)


def cuts(total: int, sizes: list[int]) -> list[tuple[int, int]]:
    """Pieces of these sizes, again and again."""
    found, at, turn = [], 0, 0
    while at < total:
        end = min(total, at + sizes[turn % len(sizes)])
        found.append((at, end))
        at, turn = end, turn + 1
    return found


SIZES = st.lists(st.integers(1, 700), min_size=1, max_size=5)


@settings(max_examples=examples(25), deadline=None)
@given(st.lists(SIZES, min_size=2, max_size=4), LAWS, st.integers(0, 1_000))
def test_ticks_of_channels_together_are_the_ticks_of_each_alone(
    sizes: list[list[int]], law: Encoding, seed: int
) -> None:
    sounds = [sound(seed + place, law) for place in range(len(sizes))]
    together = [new_detector(Vad.WEBRTC) for _ in sizes]
    found: list[list[Tick]] = [[] for _ in sizes]
    pieces = [cuts(len(pcm), one) for pcm, one in zip(sounds, sizes, strict=True)]
    for turn in range(max(map(len, pieces))):
        for place, detector in enumerate(together):
            if turn < len(pieces[place]):
                start, end = pieces[place][turn]
                detector.feed(sounds[place][start:end])
        if turn % 3 == 0 and (fresh := [one for one in together if one.has_audio]):
            classify(fresh)
        for place, detector in enumerate(together):
            found[place] += detector.drain()

    for place, pcm in enumerate(sounds):
        alone, ticks = new_detector(Vad.WEBRTC), list[Tick]()
        for start in range(0, len(pcm), 160):
            alone.feed(pcm[start : start + 160])
            ticks += alone.drain()
        assert found[place] == ticks


@settings(max_examples=examples(25), deadline=None)
@given(SIZES, LAWS, st.integers(0, 1_000), st.sampled_from([1.0, 0.03, 0.003]))
def test_a_gain_within_the_detector_is_the_gain_before_it(
    sizes: list[int], law: Encoding, seed: int, volume: float
) -> None:
    # given a channel that is amplified, or is loud enough
    quiet = (sound(seed, law) * volume).astype(np.int16)
    pcm = np.concatenate([quiet, quiet])
    within, behind, leveller = (
        new_detector(Vad.WEBRTC, levelled=True),
        new_detector(Vad.WEBRTC),
        Leveller(),
    )
    without = new_detector(Vad.WEBRTC)

    # when the detector applies the gain, when it gets samples that have it, and when there is none
    found: list[list[Tick]] = [[], [], []]
    for start, end in cuts(len(pcm), sizes):
        within.feed(pcm[start:end])
        behind.feed(leveller.feed(pcm[start:end]))
        found[0] += within.drain()
        found[1] += behind.drain()
        without.feed(pcm[start:end])
        found[2] += without.drain()

    # then decisions and samples have the gain, and levels are those of the channel
    assert [tick.voiced for tick in found[0]] == [tick.voiced for tick in found[1]]
    assert [tick.level for tick in found[0]] == [tick.level for tick in found[2]]
    assert within.heard == behind.heard == len(pcm)
    assert np.array_equal(within.audio.cut(0, len(pcm)), behind.audio.cut(0, len(pcm)))


@settings(max_examples=examples(25), deadline=None)
@given(st.lists(SIZES, min_size=2, max_size=4), LAWS, st.integers(0, 1_000), st.integers(1, 6))
def test_digits_of_channels_together_are_the_digits_of_each_alone(
    sizes: list[list[int]], law: Encoding, seed: int, every: int
) -> None:
    sounds = [sound(seed + place, law) for place in range(len(sizes))]
    together = [DtmfDetector() for _ in sizes]
    found: list[list[Key]] = [[] for _ in sizes]
    pieces = [cuts(len(pcm), one) for pcm, one in zip(sounds, sizes, strict=True)]
    for turn in range(max(map(len, pieces))):
        for place, detector in enumerate(together):
            if turn < len(pieces[place]):
                start, end = pieces[place][turn]
                detector.add(start, sounds[place][start:end])
        if turn % every == 0:
            for place, keys in enumerate(detect(together)):
                found[place] += keys
    for place, keys in enumerate(detect(together)):
        found[place] += keys

    for place, pcm in enumerate(sounds):
        alone = DtmfDetector()
        keys = [key for at in range(0, len(pcm), 160) for key in alone.feed(at, pcm[at : at + 160])]
        assert found[place] == keys + detect([alone])[0]


@dataclass
class PlacedAudio:
    """The output of a jitter buffer, as samples with their positions."""

    placed: dict[int, int] = field(default_factory=dict)
    gaps: list[tuple[int, int]] = field(default_factory=list)
    late: int = 0

    def take(self, placements: list[Placement]) -> None:
        for one in placements:
            match one:
                case Placed(position, pcm):
                    self.placed |= {position + n: int(sample) for n, sample in enumerate(pcm)}
                case Gap(start, end):
                    self.gaps.append((start, end))
                case Late(samples):
                    self.late += samples


@settings(max_examples=examples(200), deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(-3, 12), st.integers(0, 3), st.booleans()), min_size=1, max_size=40
    )
)
def test_the_short_way_through_the_jitter_buffer_changes_nothing(
    frames: list[tuple[int, int, bool]],
) -> None:
    """Any order, loss and repetition: each frame with its step from the last one, its length, and if it is numbered."""
    short, long = JitterBuffer(), JitterBuffer()
    one, other = PlacedAudio(), PlacedAudio()
    at = 0
    for number, (step, length, is_numbered) in enumerate(frames):
        pcm = np.full(160 * length, number, dtype=np.int16)
        position = max(0, at + 160 * (step if step in (-3, 12) else 0)) if is_numbered else None
        start = short.next
        if short.advance(position, len(pcm)):
            one.take([Placed(start, pcm)])
        else:
            one.take(short.place(position, pcm))
        other.take(long.place(position, pcm))
        at = (position if position is not None else at) + len(pcm)
    one.take(short.flush())
    other.take(long.flush())
    assert (one, short.next) == (other, long.next)
