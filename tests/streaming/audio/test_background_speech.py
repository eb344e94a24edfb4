"""Speech farther away than the channel's own speaker, on recordings of people."""

from itertools import pairwise

import numpy as np
import pytest
from support import sounds
from support.spoken_lines import TICK, active, as_line, clips, softer

from protocol.audio import Pcm
from protocol.events import Span
from streaming.audio.channel_segmenter import ChannelSegmenter
from streaming.audio.compiled_endpointing import new_tracker
from streaming.audio.sound_events import SegmentClosed, VoiceSource
from streaming.audio.vad_runner import run_vad_single
from streaming.audio.voice_activity.silero import Silero

pytestmark = pytest.mark.usefixtures("audio_path")

SECOND = 8_000
OWN, FAR = VoiceSource.OWN, VoiceSource.BACKGROUND
Turn = tuple[VoiceSource, Pcm]


@pytest.fixture(scope="module")
def own() -> list[Pcm]:
    return clips("prompts/*.wav")


@pytest.fixture(scope="module")
def neighbour() -> list[Pcm]:
    return [clip for clip in clips("numbers/*-customer.wav") if len(clip) > SECOND][:12]


def segments(silero: Silero, pcm: Pcm, piece: int = 800, rate: int = 8_000) -> list[SegmentClosed]:
    segmenter = ChannelSegmenter(background=new_tracker(), rate=rate)
    events = []
    for start in range(0, len(pcm), piece):
        events += run_vad_single(segmenter, pcm[start : start + piece], silero)
    events += segmenter.finish()
    closed = [event for event in events if isinstance(event, SegmentClosed)]
    totals = segmenter.totals
    assert totals.transcribed + totals.silence == segmenter.heard == len(pcm) // (rate // 8_000)
    assert totals.transcribed == sum(one.span.end - one.span.start for one in closed)
    assert all(one.span.end <= two.span.start for one, two in pairwise(closed))
    return closed


def line(turns: list[Turn], pause: float) -> tuple[Pcm, list[tuple[VoiceSource, Span]]]:
    """The turns with a pause of so many seconds after each, as a mu-law line with noise carries them."""
    parts, spans, at = list[Pcm](), list[tuple[VoiceSource, Span]](), 0
    for source, pcm in turns:
        spans.append((source, Span(at, at + len(pcm))))
        parts += [pcm, sounds.silence(pause)]
        at += len(parts[-2]) + len(parts[-1])
    return as_line(parts), spans


def in_text(closed: list[SegmentClosed], spans: list[tuple[VoiceSource, Span]], pcm: Pcm) -> dict[VoiceSource, float]:  # fmt: skip
    """The part of the speech of each source that segments of the own speaker contain."""
    heard = np.zeros(len(pcm) // TICK, dtype=bool)
    for one in closed:
        if one.source is OWN:
            heard[one.span.start // TICK : one.span.end // TICK] = True
    shares = {}
    for source in (OWN, FAR):
        of = np.concatenate(
            [heard[span.start // TICK : span.end // TICK][active(pcm[span.start // TICK * TICK : span.end // TICK * TICK])]
             for who, span in spans if who is source] or [np.zeros(0)]
        )  # fmt: skip
        shares[source] = float(of.mean()) if len(of) else 0.0
    return shares


@pytest.mark.parametrize(("pause", "most"), [(1.0, 0.05), (0.3, 0.05), (0.0, 0.15)])
def test_a_neighbour_15_db_below_is_left_out_and_the_speaker_is_not(
    silero: Silero, own: list[Pcm], neighbour: list[Pcm], pause: float, most: float
) -> None:
    turns: list[Turn] = [(OWN, own[0]), (OWN, own[1])]
    for one, other in zip(own[2:], neighbour, strict=False):
        turns += [(OWN, one), (FAR, softer(other, 15))]
    pcm, spans = line(turns, pause)

    shares = in_text(segments(silero, pcm), spans, pcm)

    assert shares[OWN] >= 0.995
    assert shares[FAR] <= most  # without a pause, soft beginnings and ends of the speaker need room


@pytest.mark.parametrize("decibels", [14, 15])
def test_a_neighbour_who_speaks_for_18_s_is_left_out_to_the_end(
    silero: Silero, own: list[Pcm], neighbour: list[Pcm], decibels: float
) -> None:
    """Formerly the threshold fell by 0.2 dB with each second of a neighbour's speech, from the first one on."""
    story: list[Turn] = [(FAR, softer(one, decibels)) for one in neighbour[:4]]
    talk: list[Turn] = [(OWN, own[0]), (OWN, own[1])]
    pcm, spans = line([*talk, *story, *talk], 1.0)

    shares = in_text(segments(silero, pcm), spans, pcm)

    assert shares[OWN] >= 0.995
    assert shares[FAR] <= 0.02


def test_segments_do_not_depend_on_the_pieces_of_the_audio(
    silero: Silero, own: list[Pcm], neighbour: list[Pcm]
) -> None:
    turns = [(OWN, own[0]), (OWN, own[1]), (FAR, softer(neighbour[0], 18)), (OWN, own[2])]
    pcm, _ = line(turns, 0.1)

    expected = segments(silero, pcm)

    assert [one.source for one in expected].count(FAR) >= 1
    assert all(segments(silero, pcm, piece) == expected for piece in (160, 1_234, 24_000))


def test_nothing_is_left_out_before_the_level_is_known(
    silero: Silero, own: list[Pcm], neighbour: list[Pcm]
) -> None:
    soft = softer(neighbour[0][: 2 * SECOND], 20)
    pcm, _ = line([(OWN, soft), (OWN, own[0][: 2 * SECOND]), (OWN, own[1])], 1.0)

    assert {one.source for one in segments(silero, pcm)} == {OWN}


@pytest.mark.parametrize("decibels", [6, 10])
def test_a_speaker_may_trail_off(silero: Silero, own: list[Pcm], decibels: float) -> None:
    fading = [softer(one, np.linspace(0, decibels, len(one))) for one in own[2:7]]
    low = [np.concatenate([one[:-4_800], softer(one[-4_800:], decibels)]) for one in own[7:]]
    pcm, spans = line([(OWN, one) for one in (*own[:2], *fading, *low)], 0.8)

    assert in_text(segments(silero, pcm), spans, pcm)[OWN] >= 0.995


def test_a_speaker_who_moves_away_slowly_is_followed(silero: Silero, own: list[Pcm]) -> None:
    steps = np.clip(np.arange(len(own)) * 2.5, 0, 20)
    pcm, spans = line([(OWN, softer(one, by)) for one, by in zip(own, steps, strict=True)], 0.8)

    assert in_text(segments(silero, pcm), spans, pcm)[OWN] >= 0.995


def test_a_speaker_whose_level_fell_at_once_is_heard_again(silero: Silero, own: list[Pcm]) -> None:
    away = [softer(one, 14) for one in own[2:]] * 2
    pcm, _ = line([(OWN, one) for one in (*own[:2], *away)], 0.8)

    closed = segments(silero, pcm)

    background = sum(one.span.end - one.span.start for one in closed if one.source is FAR)
    assert background <= 45 * SECOND
    assert {one.source for one in closed[-5:]} == {OWN}


def test_wide_audio_is_separated_too(silero: Silero, own: list[Pcm], neighbour: list[Pcm]) -> None:
    turns = [(OWN, own[0]), (OWN, own[1]), (FAR, softer(neighbour[0], 20)), (OWN, own[2])]
    pcm, _ = line(turns, 1.0)
    wide = np.interp(np.arange(2 * len(pcm)) / 2, np.arange(len(pcm)), pcm).astype(np.int16)

    sources = [one.source for one in segments(silero, wide, 320, 16_000)]

    assert FAR in sources
    assert sources[-1] is OWN
