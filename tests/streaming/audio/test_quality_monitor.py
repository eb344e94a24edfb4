"""QualityMonitor: every fault is found within three seconds, and good lines report none."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st
from support import sounds
from support.examples import examples
from support.wav import read_wav

from protocol.audio import Encoding, Pcm, decode, encode
from protocol.events import Fault, LineWarning, Span
from streaming.audio.channel_segmenter import ChannelSegmenter
from streaming.audio.quality.monitor import QualityMonitor
from streaming.audio.vad_runner import run_vad_single
from streaming.audio.voice_activity.vad_choice import Vad

pytestmark = pytest.mark.usefixtures("audio_path")

SECOND = 8_000
IN_TIME = 3 * SECOND
FRAME = 160

Line = list[Pcm]
"""The channels of a call as the gateway decodes them."""

MULAW, ALAW = Encoding.MULAW, Encoding.ALAW


def speech(first: int = 0, seconds: float = 8.0) -> Pcm:
    """Prompts of a human voice with half a second between them, from the `first` one on."""
    paths = sorted((Path(__file__).parents[2] / "speech" / "prompts").glob("*.wav"))
    parts: list[Pcm] = []
    for path in paths[first:] + paths[:first]:
        parts += [read_wav(path)[1][0], sounds.silence(0.5)]
        if sum(map(len, parts)) > seconds * SECOND:
            break
    return np.concatenate(parts)[: round(seconds * SECOND)]


def louder(pcm: Pcm, decibels: float) -> Pcm:
    amplified: Pcm = np.clip(pcm * 10 ** (decibels / 20), -32_768, 32_767).astype(np.int16)
    return amplified


def over(pcm: Pcm, other: Pcm | int) -> Pcm:
    mixed: Pcm = np.clip(pcm.astype(np.int32) + other, -32_768, 32_767).astype(np.int16)
    return mixed


def through(pcm: Pcm, sent: Encoding, declared: Encoding) -> Pcm:
    return decode(encode(pcm, sent), declared)


def hiss(pcm: Pcm) -> Pcm:
    return sounds.white_noise(len(pcm) / SECOND, -28)


CLEAN: dict[str, Callable[[Pcm], Line]] = {
    "mu-law": lambda pcm: [through(pcm, MULAW, MULAW)],
    "A-law": lambda pcm: [through(pcm, ALAW, ALAW)],
    "linear": lambda pcm: [pcm],
    "linear, once mu-law": lambda pcm: [through(pcm, MULAW, MULAW).copy()],
    "two parties": lambda pcm: [pcm, np.roll(pcm, 3 * SECOND)],
    "loud": lambda pcm: [louder(pcm, 5)],
    "soft": lambda pcm: [louder(pcm, -22)],
    "a little noise": lambda pcm: [over(pcm, louder(hiss(pcm), -22))],
    "comfort noise": lambda pcm: [sounds.comfort_noise(8)],
    "ringback": lambda _: [sounds.ringback(8)],
    "keys": lambda _: [np.tile(np.concatenate([sounds.dtmf("5"), sounds.silence(0.1)]), 40)],
    "music": lambda _: [sounds.music(8)],
    "silence": lambda _: [sounds.silence(8), sounds.silence(8)],
}

FAULTY: dict[str, tuple[Fault, Callable[[Pcm], Line]]] = {
    "A-law said to be mu-law": (Fault.WRONG_LAW, lambda pcm: [through(pcm, ALAW, MULAW)]),
    "mu-law said to be A-law": (Fault.WRONG_LAW, lambda pcm: [through(pcm, MULAW, ALAW)]),
    "mu-law silence said to be A-law": (
        Fault.WRONG_LAW,
        lambda _: [through(sounds.silence(3), MULAW, ALAW)],
    ),
    "linear said to be A-law": (Fault.WRONG_ENCODING, lambda pcm: [decode(pcm.tobytes(), ALAW)]),
    "big-endian": (Fault.WRONG_BYTE_ORDER, lambda pcm: [pcm.byteswap()]),
    "big-endian, once mu-law": (
        Fault.WRONG_BYTE_ORDER,
        lambda pcm: [through(pcm, MULAW, MULAW).byteswap()],
    ),
    "one byte off": (
        Fault.WRONG_BYTE_ORDER,
        lambda pcm: [np.frombuffer(pcm.tobytes()[1:-1], dtype=np.int16)],
    ),
    "16 kHz said to be 8": (
        Fault.WRONG_RATE,
        lambda pcm: [soxr.resample(pcm, SECOND, 2 * SECOND)],
    ),
    "the mix on both channels": (Fault.DUAL_MONO, lambda pcm: [pcm, pcm]),
    "the mix on both, one softer": (Fault.DUAL_MONO, lambda pcm: [pcm, louder(pcm, -6)]),
    "nobody on the other channel": (Fault.ONE_WAY, lambda pcm: [pcm, np.zeros_like(pcm)]),
    "too loud": (Fault.CLIPPING, lambda pcm: [louder(pcm, 20)]),
    "bent": (Fault.DC_OFFSET, lambda pcm: [over(pcm, 1_200)]),
    "far too quiet": (Fault.TOO_QUIET, lambda pcm: [louder(pcm, -40)]),
    "hiss": (Fault.NOISE, lambda pcm: [over(pcm, hiss(pcm))]),
}


def warnings_of(line: Line, rate: int = SECOND) -> list[LineWarning]:
    """Frame by frame, with a voice detector beside it, as a channel does it."""
    quality_monitor, segmenters = (
        QualityMonitor(len(line), rate),
        [ChannelSegmenter(vad=Vad.WEBRTC, rate=rate) for _ in line],
    )
    said: list[LineWarning] = []
    for start in range(0, max(map(len, line)), FRAME):
        for channel, (pcm, segmenter) in enumerate(zip(line, segmenters, strict=True)):
            frame = np.ascontiguousarray(pcm[start : start + FRAME])
            said += quality_monitor.feed(channel, start, frame, speaking=segmenter.has_speech)
            run_vad_single(segmenter, frame)
    return said


@pytest.mark.parametrize("name", FAULTY)
@pytest.mark.parametrize("first", [0, 4, 8])
def test_every_fault_is_reported_once_within_three_seconds(name: str, first: int) -> None:
    fault, spoil = FAULTY[name]

    said = warnings_of(spoil(speech(first)))

    told = [warning for warning in said if warning.fault is fault]
    assert len(told) == 1
    assert told[0].at <= IN_TIME
    assert told[0].check
    assert told[0].unit


@pytest.mark.parametrize("name", CLEAN)
@pytest.mark.parametrize("first", [1, 6])
def test_a_good_line_has_no_faults(name: str, first: int) -> None:
    assert warnings_of(CLEAN[name](speech(first))) == []


def test_the_table_of_faults_and_good_lines(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [(name, warnings_of(spoil(speech(2)))) for name, (_, spoil) in FAULTY.items()]
    rows += [(f"good: {name}", warnings_of(make(speech(2)))) for name, make in CLEAN.items()]

    with capsys.disabled():
        sys.stdout.write("\n")
        for name, said in rows:
            sys.stdout.write(f"  {name:34} {', '.join(map(told, said)) or 'nothing'}\n")

    assert [bool(said) for _, said in rows] == [True] * len(FAULTY) + [False] * len(CLEAN)


def told(warning: LineWarning) -> str:
    at = warning.at / SECOND
    return f"{warning.fault} at {at:.2f} s ({warning.measured:g} {warning.unit})"


def test_what_is_misread_is_known_until_the_line_is_set_right() -> None:
    quality_monitor = QualityMonitor(1)
    wrong = through(speech(0, 3), ALAW, MULAW)
    right = through(speech(3, 5), MULAW, MULAW)

    quality_monitor.feed(0, 0, wrong, speaking=True)
    meanwhile = quality_monitor.misread(0)
    quality_monitor.feed(0, len(wrong), right, speaking=True)

    assert meanwhile is Fault.WRONG_LAW
    assert quality_monitor.misread(0) is None


def test_a_fault_that_recurs_is_reported_again() -> None:
    wrong, right = through(speech(0, 3), ALAW, MULAW), through(speech(0, 30), MULAW, MULAW)

    said = warnings_of([np.concatenate([wrong, right, wrong, wrong, wrong, wrong, wrong, wrong])])

    assert [warning.fault for warning in said] == [Fault.WRONG_LAW, Fault.WRONG_LAW]


def test_misdeclared_audio_reports_the_cause_and_not_its_symptoms() -> None:
    said = warnings_of([through(over(speech(), 900), ALAW, MULAW)])

    assert [warning.fault for warning in said] == [Fault.WRONG_LAW]


def test_gaps_again_and_again_are_packet_loss_and_a_single_one_is_not() -> None:
    quality_monitor = QualityMonitor(1)
    single = quality_monitor.lose(0, Span(0, SECOND))
    later = 10 * SECOND

    many = [
        quality_monitor.lose(0, Span(at, at + 400)) for at in range(later, later + SECOND, 1_600)
    ]

    assert single == []
    said = [warning for warnings in many for warning in warnings]
    assert [(one.fault, one.at <= later + IN_TIME) for one in said] == [(Fault.PACKET_LOSS, True)]


def at_pace(pcm: Pcm, rate: int, pace: float) -> tuple[list[LineWarning], QualityMonitor]:
    """Frames of 20 ms at the declared rate, `pace` times as fast as that; all of it loud enough counts as speech."""
    quality_monitor, size = QualityMonitor(1, rate), rate // 50
    said: list[LineWarning] = []
    for number, start in enumerate(range(0, len(pcm) - size, size)):
        said += quality_monitor.arrive(0, 160 * (number + 1), 1_000 + 0.02 * number / pace)
        frame = np.ascontiguousarray(pcm[start : start + size])
        said += quality_monitor.feed(0, start, frame, speaking=True)
    return said, quality_monitor


WIDE = 2 * SECOND


@pytest.mark.parametrize(
    ("declare", "rate", "pace"),
    [
        (lambda pcm: pcm, WIDE, 0.5),  # 8 kHz said to be 16
        (lambda pcm: pcm, WIDE, 0.48),  # by a sender that sleeps a little too long
        (lambda pcm: soxr.resample(pcm, SECOND, WIDE), SECOND, 2.0),  # the reverse
    ],
)
@pytest.mark.parametrize("first", [0, 5])
def test_a_wrong_rate_is_reported_once_and_the_audio_is_not_trusted(
    declare: Callable[[Pcm], Pcm], rate: int, pace: float, first: int
) -> None:
    said, quality_monitor = at_pace(declare(speech(first, 16)), rate, pace)

    assert [warning.fault for warning in said if warning.fault is Fault.WRONG_RATE] == [
        Fault.WRONG_RATE
    ]
    assert said[0].measured == pytest.approx(pace, abs=0.05)
    assert quality_monitor.misread(0) is Fault.WRONG_RATE


@pytest.mark.parametrize("pace", [0.5, 1.0, 1.05, 2.0, 4.0, 7.3])
@pytest.mark.parametrize("rate", [SECOND, WIDE])
def test_a_pace_alone_is_no_wrong_rate(rate: int, pace: float) -> None:
    pcm = speech(3) if rate == SECOND else soxr.resample(speech(3), SECOND, WIDE)

    said, quality_monitor = at_pace(pcm, rate, pace)

    assert said == []
    assert quality_monitor.misread(0) is None


@pytest.mark.parametrize(
    ("read", "named"),
    [
        (lambda pcm: np.frombuffer(encode(pcm, MULAW), dtype=np.int16), "mu-law or A-law, but was"),
        (lambda pcm: np.frombuffer(encode(pcm, ALAW), dtype=np.int16), "mu-law or A-law, but was"),
        (lambda pcm: decode(pcm.tobytes(), MULAW), "16-bit linear, but was"),
        (lambda pcm: np.stack([pcm, np.roll(pcm, 4_000)], axis=1).reshape(-1), "two channels"),
        (lambda pcm: np.stack([pcm, pcm * 0], axis=1).reshape(-1), "two channels"),
    ],
)
def test_a_wrong_encoding_is_named_for_what_it_is(read: Callable[[Pcm], Pcm], named: str) -> None:
    said = warnings_of([np.ascontiguousarray(read(speech(2)))])

    assert [warning.fault for warning in said] == [Fault.WRONG_ENCODING]
    assert named in said[0].check


def test_audio_that_comes_in_bursts_says_nothing_of_its_rate() -> None:
    quality_monitor = QualityMonitor(1)
    arrivals = [
        (2 * now if now % 1 < 0.5 else 2.0 * (now // 1) + 1, now) for now in np.arange(0, 6, 0.02)
    ]

    said = [quality_monitor.arrive(0, round(at * SECOND), float(now)) for at, now in arrivals]

    assert not any(said)


PIECES = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 9_000), st.binary(max_size=12_000)), max_size=12
)


@settings(max_examples=examples(60))
@given(PIECES, st.sampled_from([8_000, 16_000]), st.sampled_from(Encoding))
def test_no_audio_whatever_upsets_it_or_is_warned_of_twice(
    pieces: list[tuple[int, int, bytes]], rate: int, encoding: Encoding
) -> None:
    quality_monitor = QualityMonitor(3, rate)
    positions = [0, 0, 0]
    said: list[LineWarning] = []

    for channel, skipped, payload in pieces:
        pcm = decode(payload[: len(payload) // 2 * 2], encoding)
        positions[channel] += skipped
        said += quality_monitor.feed(channel, positions[channel], pcm, speaking=bool(skipped % 2))
        said += quality_monitor.lose(
            channel, Span(positions[channel], positions[channel] + skipped)
        )
        positions[channel] += len(pcm)

    assert len({(one.channel, one.fault) for one in said}) == len(said)
    assert all(np.isfinite(one.measured) for one in said)


@given(st.integers(0, 2**40), st.integers(1, 9))
def test_it_keeps_no_more_than_a_few_blocks_however_long_the_call(start: int, seed: int) -> None:
    quality_monitor = QualityMonitor(2)
    pcm = sounds.white_noise(3, seed=seed)
    for channel in (0, 1):
        quality_monitor.feed(channel, start, pcm, speaking=True)
        quality_monitor.feed(channel, start + len(pcm), pcm[:777], speaking=True)

    assert quality_monitor.held_samples <= 2 * (4 + 1) * SECOND // 4


def test_blocks_that_all_channels_were_compared_with_are_not_kept() -> None:
    quality_monitor = QualityMonitor(2)
    pcm = sounds.white_noise(3, seed=5)
    quality_monitor.feed(0, 0, pcm, speaking=True)
    while_one_is_behind = quality_monitor.held_samples
    quality_monitor.feed(1, 0, pcm, speaking=True)

    assert (while_one_is_behind, quality_monitor.held_samples) == (4 * SECOND // 4, 0)


@pytest.mark.parametrize("is_silent", [True, False])
def test_a_channel_that_is_measured_later_is_judged_by_its_own_audio(is_silent: bool) -> None:
    monitor, pcm = QualityMonitor(2), speech()
    other = np.zeros_like(pcm) if is_silent else np.roll(pcm, len(pcm) // 2)

    early = monitor.feed(0, 0, pcm, speaking=True)
    late = monitor.feed(1, 0, other, speaking=not is_silent)

    assert early == []
    expected = [(1, Fault.ONE_WAY)] if is_silent else []
    assert [(one.channel, one.fault) for one in late] == expected


def test_a_channel_that_never_gets_audio_is_reported_after_ten_seconds() -> None:
    said = QualityMonitor(2).feed(0, 0, speech(seconds=12.0), speaking=True)

    assert [(one.channel, one.fault) for one in said] == [(1, Fault.ONE_WAY)]
    assert said[0].at >= 10 * SECOND
