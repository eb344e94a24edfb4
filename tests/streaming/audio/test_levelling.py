from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import sounds
from support.wav import read_wav

from protocol.audio import Encoding, Pcm, decode, encode
from protocol.events import Fault, Span
from streaming.audio.channel_segmenter import ChannelSegmenter
from streaming.audio.levelling import MOST_DB, Leveller
from streaming.audio.quality.monitor import QualityMonitor
from streaming.audio.sound_events import SegmentClosed
from streaming.audio.vad_runner import run_vad_single
from streaming.audio.voice_activity.silero import Silero

SECOND, TICK = 8_000, 160
SPEECH = Path(__file__).parents[2] / "speech"


def prompts() -> list[Pcm]:
    return [read_wav(path)[1][0] for path in sorted((SPEECH / "prompts").glob("*.wav"))]


def as_line(clips: list[Pcm]) -> tuple[Pcm, list[Span]]:
    """The clips with 1.2 s of silence around each, and where they lie."""
    parts, spans, at = [sounds.silence(1.2)], list[Span](), round(1.2 * SECOND)
    for clip in clips:
        spans.append(Span(at, at + len(clip)))
        parts += [clip, sounds.silence(1.2)]
        at += len(clip) + round(1.2 * SECOND)
    return np.concatenate(parts), spans


def softer(pcm: Pcm, decibels: float, *, mulaw: bool = True) -> Pcm:
    soft = np.rint(pcm * 10 ** (-decibels / 20)).astype(np.int16)
    return decode(encode(soft, Encoding.MULAW), Encoding.MULAW) if mulaw else soft


def spans_of(pcm: Pcm, silero: Silero) -> list[Span]:
    segmenter = ChannelSegmenter()
    events = run_vad_single(segmenter, pcm, silero) + segmenter.finish()
    return [event.span for event in events if isinstance(event, SegmentClosed)]


def shared(span: Span, others: list[Span]) -> float:
    """The part of `span` that lies in `others`."""
    return sum(span.shared(other) for other in others) / (span.end - span.start)


@pytest.mark.parametrize("decibels", [0, 6, 12])
@pytest.mark.parametrize("folder", ["prompts", "numbers", "music"])
def test_channels_of_normal_level_pass_unchanged(folder: str, decibels: float) -> None:
    for path in sorted((SPEECH / folder).glob("*.wav")):
        pcm = softer(read_wav(path)[1][0], decibels)
        assert Leveller().feed(pcm) is pcm, path.name


@pytest.mark.parametrize("mulaw", [True, False])
@pytest.mark.parametrize("decibels", [32, 42])
def test_quiet_speech_is_found_as_loud_speech_is(
    silero: Silero, decibels: float, *, mulaw: bool
) -> None:
    line, said = as_line(prompts()[:6])  # -18 dBFS: down to -60 dBFS

    found = spans_of(softer(line, decibels, mulaw=mulaw), silero)

    assert all(shared(prompt, found) > 0.85 for prompt in said)
    assert all(sum(span.shared(prompt) > 800 for prompt in said) == 1 for span in found)
    assert len(found) <= len(said) + 1


def test_speech_at_minus_60_dbfs_has_the_edges_of_loud_speech(silero: Silero) -> None:
    line, said = as_line(prompts()[:6])
    loud = spans_of(line, silero)

    quiet = spans_of(softer(line, 42, mulaw=False), silero)

    # The level is not known yet in the first prompt.
    starts = [min(abs(one.start - other.start) for other in quiet) for one in loud[1:]]
    assert np.median(starts) <= 2 * TICK
    assert len(loud) == len(said)


@pytest.mark.parametrize("dbfs", [-75, -65, -60, -55, -50, -45])
@pytest.mark.parametrize("mulaw", [True, False])
def test_noise_alone_is_never_amplified(dbfs: float, *, mulaw: bool) -> None:
    noises = [
        sounds.white_noise(15, dbfs),
        sounds.pink_noise(15, dbfs),
        sounds.comfort_noise(15, dbfs),
        sounds.tone(15, 50.0, dbfs),
        sounds.ringback(15, dbfs),
    ]
    for noise in noises:
        leveller = Leveller()
        pcm = softer(np.concatenate([sounds.silence(2), noise, sounds.silence(1)]), 0, mulaw=mulaw)

        assert leveller.feed(pcm) is pcm


def test_digital_silence_stays_silence_behind_quiet_speech() -> None:
    leveller = Leveller()
    leveller.feed(softer(prompts()[0], 40))

    assert leveller.gain_db > 20
    assert not leveller.feed(sounds.silence(2)).any()


def test_a_quiet_voice_behind_a_loud_speaker_is_not_amplified() -> None:
    loud, other = prompts()[0], np.concatenate(prompts()[1:4])
    leveller = Leveller()
    leveller.feed(loud)
    background = softer(other, 35)[: 8 * SECOND]

    assert leveller.feed(background) is background


def test_the_gain_is_bounded_and_ends_with_the_first_loud_tick() -> None:
    leveller = Leveller()
    leveller.feed(softer(np.concatenate(prompts()[:3]), 42, mulaw=False))
    assert 20 < leveller.gain_db <= MOST_DB

    leveller.feed(sounds.tone(0.02, dbfs=-20))

    assert leveller.gain_db == 0.0


@settings(deadline=None, max_examples=8)
@given(st.lists(st.integers(1, 2_000), min_size=1, max_size=5), st.sampled_from([8_000, 16_000]))
def test_the_gain_does_not_depend_on_how_audio_was_cut(pieces: list[int], rate: int) -> None:
    pcm = softer(prompts()[0], 40)
    whole, cut = Leveller(rate).feed(pcm), Leveller(rate)
    parts, at, turn = list[Pcm](), 0, 0
    while at < len(pcm):
        size = pieces[turn % len(pieces)]
        parts.append(cut.feed(pcm[at : at + size]))
        at, turn = at + size, turn + 1

    assert np.array_equal(np.concatenate(parts), whole)


def test_the_quality_monitor_tells_the_true_level_of_a_quiet_channel(silero: Silero) -> None:
    monitor, segmenter = QualityMonitor(1), ChannelSegmenter()
    quiet = softer(np.concatenate(prompts()[:4]), 40)
    warnings = []
    for start in range(0, len(quiet), TICK):
        frame = quiet[start : start + TICK]
        warnings += monitor.feed(0, start, frame, speaking=segmenter.has_speech)
        run_vad_single(segmenter, frame, silero)

    told = [warning for warning in warnings if warning.fault is Fault.TOO_QUIET]
    assert len(told) == 1
    assert -60 < told[0].measured < -45
