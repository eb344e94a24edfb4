"""The end of a segment that is known in a pause: it is the end that the segment gets, unless speech goes on."""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.wav import read_wav

from protocol.audio import Pcm
from streaming.audio.channel_segmenter import ChannelSegmenter
from streaming.audio.compiled_endpointing import new_endpointer
from streaming.audio.endpointing import Closed
from streaming.audio.endpointing_settings import Endpointing
from streaming.audio.sound_events import SegmentClosed, SegmentGrew, SegmentPaused, SoundEvent
from streaming.audio.vad_runner import run_vad_single
from streaming.audio.voice_activity.silero import Silero

pytestmark = pytest.mark.usefixtures("audio_path")

PROMPTS = sorted((Path(__file__).parents[2] / "speech" / "prompts").glob("*.wav"))[:4]
DRAFTS = Endpointing(draft_ms=160)

settings = st.builds(
    Endpointing,
    preroll_ms=st.integers(0, 1_000),
    hangover_ms=st.integers(100, 1_500),
    draft_ms=st.integers(0, 1_000),
    afterroll_ms=st.integers(0, 1_000),
    minimum_ms=st.integers(0, 1_000),
    maximum_ms=st.integers(2_000, 15_000),
    cut_window_ms=st.integers(200, 1_000),
)
runs = st.lists(st.tuples(st.booleans(), st.integers(1, 200)), min_size=1, max_size=12)


@given(settings=settings, runs=runs)
def test_a_segment_without_further_speech_ends_where_its_pause_said(
    settings: Endpointing, runs: list[tuple[bool, int]]
) -> None:
    segmenter = new_endpointer(settings, None)
    pause: int | None = None
    for voiced in [voiced for voiced, length in runs for _ in range(length)]:
        for boundary in segmenter.feed(voiced, 1.0):
            if isinstance(boundary, Closed) and pause is not None and not voiced:
                assert (boundary.tick, boundary.padding) == (pause, segmenter.padding)
        assert segmenter.pause is None or not segmenter.is_speaking
        if pause is not None and segmenter.pause is not None and not voiced:
            assert segmenter.pause == pause
        pause = segmenter.pause
        assert pause is None or pause <= segmenter.now
    expected = pause
    for boundary in segmenter.close():
        assert isinstance(boundary, Closed)
        at = (boundary.tick, boundary.padding)
        assert expected is None or at == (expected, segmenter.padding)


def test_the_padding_replaces_the_rest_of_the_after_roll() -> None:
    assert (
        new_endpointer(Endpointing(hangover_ms=500, draft_ms=160), None).padding
        == (400 - 160) // 20
    )
    assert (
        new_endpointer(Endpointing(hangover_ms=300, draft_ms=160), None).padding
        == (300 - 160) // 20
    )


def test_a_later_draft_changes_neither_the_audio_nor_the_padding_of_a_segment() -> None:
    early, late = (new_endpointer(Endpointing(draft_ms=draft_ms), None) for draft_ms in (200, 300))

    told = list[tuple[int | None, int | None]]()
    for voiced in [True] * 30 + [False] * 16:
        for segmenter in (early, late):
            assert not any(isinstance(one, Closed) for one in segmenter.feed(voiced, 1.0))
        told.append((early.pause, late.pause))

    end = 30 + 10
    assert told[38:46] == [(None, None)] + [(end, None)] * 5 + [(end, end)] * 2
    assert early.padding == late.padding == (400 - 200) // 20


@pytest.mark.parametrize("hangover_ms", [100, 160])
def test_without_silence_after_the_draft_there_is_none(hangover_ms: int) -> None:
    segmenter = new_endpointer(Endpointing(hangover_ms=hangover_ms, draft_ms=160), None)
    for voiced in [True] * 20 + [False] * 4:
        segmenter.feed(voiced, 1.0)

    assert (segmenter.pause, segmenter.padding) == (None, 0)


def heard(pcm: Pcm, silero: Silero, rate: int, size: int) -> list[SoundEvent]:
    segmenter = ChannelSegmenter(DRAFTS, rate=rate)
    events: list[SoundEvent] = []
    for at in range(0, len(pcm), size):
        events += run_vad_single(segmenter, pcm[at : at + size], silero)
    return [*events, *segmenter.finish()]


def audio(events: Sequence[SoundEvent], samples: int) -> bytes:
    grown = [event.pcm for event in events if isinstance(event, SegmentGrew)]
    return np.concatenate(grown)[:samples].tobytes()


@pytest.mark.parametrize("rate", [8_000, 16_000])
def test_the_audio_of_a_draft_is_that_of_the_final(silero: Silero, rate: int) -> None:
    # given telephone prompts, one second apart, in real time
    quiet = np.zeros(rate, dtype=np.int16)
    parts = [part for path in PROMPTS for part in (read_wav(path)[1][0], quiet)]
    pcm = np.concatenate([part if rate == 8_000 else np.repeat(part, 2) for part in parts])

    # when
    events = heard(pcm, silero, rate, rate // 50)

    # then each segment that a pause ended was told before, with the same audio
    used = 0
    for _, of_segment in groupby(events, key=lambda event: event.number):
        segment = list(of_segment)
        closed = segment[-1]
        assert isinstance(closed, SegmentClosed)
        paused = [at for at, event in enumerate(segment) if isinstance(event, SegmentPaused)]
        if paused:
            latest = segment[paused[-1]]
            assert isinstance(latest, SegmentPaused)
            if (latest.span, latest.samples, latest.padding) == (
                closed.span,
                closed.samples,
                closed.padding,
            ):
                used += 1
                before = audio(segment[: paused[-1]], latest.samples)
                assert before == audio(segment, closed.samples)
    assert used >= len(PROMPTS)


def test_pauses_do_not_change_the_segments(silero: Silero) -> None:
    pcm = np.concatenate([read_wav(path)[1][0] for path in PROMPTS] + [np.zeros(9_000, np.int16)])

    ticks, seconds = heard(pcm, silero, 8_000, 160), heard(pcm, silero, 8_000, 8_000)

    closed = [event for event in ticks if isinstance(event, SegmentClosed)]
    assert closed
    assert closed == [event for event in seconds if isinstance(event, SegmentClosed)]
