"""Channels whose decisions are not due are left out of runs; segments do not change, and finals are not later."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.examples import examples
from support.wav import read_wav

from protocol.audio import Pcm
from streaming.audio.channel_segmenter import ChannelSegmenter
from streaming.audio.endpointing import Reason
from streaming.audio.endpointing_settings import Endpointing
from streaming.audio.sound_events import SegmentClosed, SegmentGrew, SegmentOpened, SoundEvent
from streaming.audio.vad_runner import run_vad_single
from streaming.audio.voice_activity.silero import Silero
from streaming.audio.voice_activity.vad_choice import Vad

pytestmark = pytest.mark.usefixtures("audio_path")

FRAME = 160
MOST_TICKS = 4

NO_AUDIO = np.zeros(0, dtype=np.int16)


@pytest.fixture(scope="module")
def speech() -> Pcm:
    """Prompts of a human voice, with pauses of 0.1 to 1.2 s."""
    rng, parts = np.random.default_rng(1), list[Pcm]()
    for path in sorted((Path(__file__).parents[2] / "speech" / "prompts").glob("*.wav")):
        _, (pcm,) = read_wav(path)
        parts += [pcm, np.zeros(rng.integers(800, 9_600), dtype=np.int16)]
    return np.concatenate(parts)[: 40 * 8_000]


def events_by_frame(
    pcm: Pcm, vad: Vad, hangover_ms: int, silero: Silero, *, patiently: bool
) -> list[tuple[int, SoundEvent]]:
    """Return the events, each with the number of the frame that has arrived last."""
    segmenter = ChannelSegmenter(Endpointing(hangover_ms=hangover_ms), vad=vad)
    found: list[tuple[int, SoundEvent]] = []
    waiting, patience, decisive = list[Pcm](), segmenter.patience, segmenter.decisive
    for number, at in enumerate(range(0, len(pcm), FRAME)):
        waiting.append(pcm[at : at + FRAME])
        if not patiently or len(waiting) >= patience or FRAME * len(waiting) >= decisive:
            events = run_vad_single(segmenter, np.concatenate(waiting), silero)
            found += [(number, event) for event in events]
            waiting, patience, decisive = [], segmenter.patience, segmenter.decisive
    rest = run_vad_single(segmenter, np.concatenate([NO_AUDIO, *waiting]), silero)
    return [*found, *((len(pcm) // FRAME, event) for event in [*rest, *segmenter.finish()])]


def ends(events: list[tuple[int, SoundEvent]]) -> list[tuple[int, SegmentClosed]]:
    return [(number, event) for number, event in events if isinstance(event, SegmentClosed)]


def starts(events: list[tuple[int, SoundEvent]]) -> list[tuple[int, SegmentOpened]]:
    return [(number, event) for number, event in events if isinstance(event, SegmentOpened)]


def audio(events: list[tuple[int, SoundEvent]]) -> bytes:
    return b"".join(event.pcm.tobytes() for _, event in events if isinstance(event, SegmentGrew))


@pytest.mark.parametrize("hangover_ms", [100, 500])
@pytest.mark.parametrize("vad", list(Vad))
def test_a_pause_ends_a_segment_in_the_same_frame_as_with_a_run_for_each(
    speech: Pcm, silero: Silero, vad: Vad, hangover_ms: int
) -> None:
    each = events_by_frame(speech, vad, hangover_ms, silero, patiently=False)
    patient = events_by_frame(speech, vad, hangover_ms, silero, patiently=True)

    assert len(ends(each)) >= 5
    assert [event for _, event in ends(patient)] == [event for _, event in ends(each)]
    for (number, event), (expected, _) in zip(ends(patient), ends(each), strict=True):
        assert number == expected or event.reason is not Reason.PAUSE
    assert audio(patient) == audio(each)
    assert [event for _, event in starts(patient)] == [event for _, event in starts(each)]
    for (number, _), (expected, _) in zip(starts(patient), starts(each), strict=True):
        assert expected <= number < expected + MOST_TICKS


@settings(max_examples=examples(20), deadline=None)
@given(st.text("#.", max_size=30), st.integers(100, 600))
def test_the_patience_is_one_to_four_ticks(pattern: str, hangover_ms: int) -> None:
    segmenter = ChannelSegmenter(Endpointing(hangover_ms=hangover_ms), vad=Vad.WEBRTC)
    rng = np.random.default_rng(2)
    for sign in pattern:
        loud = 3_000 if sign == "#" else 0
        run_vad_single(segmenter, rng.normal(0, loud, 500).astype(np.int16))

        assert 1 <= segmenter.patience <= MOST_TICKS
