"""The compiled endpointing and tracker give the boundaries, sources and levels of the pure ones."""

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.examples import examples

from streaming.audio import compiled
from streaming.audio.compiled_endpointing import Endpointer, Tracker, new_endpointer, new_tracker
from streaming.audio.endpointing import Boundary, Closed, Opened
from streaming.audio.endpointing_settings import Endpointing
from streaming.audio.sound_events import VoiceSource

pytestmark = pytest.mark.skipif(
    compiled.installed() is None, reason="trunkline-native is not built: make native"
)

SETTINGS = st.builds(
    Endpointing,
    hangover_ms=st.sampled_from([100, 300, 500]),
    draft_ms=st.sampled_from([0, 160]),
    doubtful_hangover_ms=st.sampled_from([0, 800]),
    maximum_ms=st.sampled_from([3_000, 12_000]),
    cut_window_ms=st.just(1_000),
)
State: TypeAlias = tuple[object, ...]


def ticks(seed: int) -> Iterator[tuple[bool, float]]:
    """A minute of voiced and unvoiced runs at changing levels, with digital silence."""
    rng, voiced, loud = np.random.default_rng(seed), False, 1e6
    for _ in range(3_000):
        voiced ^= rng.random() < 0.05
        loud = 10 ** rng.uniform(3, 7) if rng.random() < 0.01 else loud
        level = loud * 10 ** rng.uniform(-0.5, 0.5) if rng.random() < 0.95 else 0.0
        yield voiced, float(level)


def meet(tracker: Tracker, boundaries: Sequence[Boundary]) -> list[object]:
    """Tell the tracker of boundaries, as `ChannelSegmenter` does.  Returns the sources of closed segments."""
    sources: list[object] = []
    for boundary in boundaries:
        match boundary:
            case Opened(tick):
                tracker.begin(tick)
            case Closed(tick):
                sources.append(tracker.end(tick))
    return sources


def state(endpointer: Endpointer, tracker: Tracker) -> State:
    return (
        endpointer.now,
        endpointer.is_speaking,
        endpointer.padding,
        endpointer.earliest,
        endpointer.undecided_until,
        endpointer.may_open,
        endpointer.pause,
        tracker.level,
        tracker.is_near,
    )


def history(limits: Endpointing, seed: int, doubtful: int) -> Iterator[State]:
    """All that both objects return; every `doubtful`-th tick with a known pause has a doubtful draft."""
    tracker = new_tracker()
    endpointer = new_endpointer(limits, tracker)
    for number, (voiced, level) in enumerate(ticks(seed)):
        found = endpointer.feed(voiced, level)
        yield *found, *meet(tracker, found)
        if endpointer.undecided_until is not None:
            split = tracker.feed(endpointer.now - 1, level, voiced=voiced)
            if split is not None:
                found = endpointer.split(split)
                yield *found, *meet(tracker, found)
        if number % doubtful == 0 and (pause := endpointer.pause) is not None:
            yield endpointer.wait(pause), endpointer.wait(pause + 1)
        if number % 1_000 == 999:
            found = endpointer.close()
            yield *found, *meet(tracker, found)
            endpointer.skip(40)
            yield (endpointer.levels.tolist(),)
        yield state(endpointer, tracker)
    yield (endpointer.levels.tolist(),)


@settings(max_examples=examples(20))
@given(SETTINGS, st.integers(0, 10_000), st.integers(1, 9))
def test_boundaries_sources_and_levels_are_those_of_the_pure_path(
    limits: Endpointing, seed: int, doubtful: int
) -> None:
    found = []
    for wanted in (True, False):
        with compiled.using(wanted=wanted):
            found.append(list(history(limits, seed, doubtful)))

    assert found[0] == found[1]


@pytest.mark.parametrize("wanted", [True, False])
def test_after_10_s_of_background_speech_its_threshold_falls(*, wanted: bool) -> None:
    """Segments of 2 s, 10 dB below the speaker: 1.5 dB too low, for which the threshold falls in another 5 s."""
    with compiled.using(wanted=wanted):
        tracker = new_tracker()
    sources = []
    for number, power in enumerate((1e6, 1e6, *[1e5] * 9)):
        start = 110 * number
        tracker.begin(start)
        for tick in range(start, start + 110):
            is_voiced = tick >= start + 10
            tracker.feed(tick, power if is_voiced else 1.0, voiced=is_voiced)
        sources.append(tracker.end(start + 110))

    own, background = VoiceSource.OWN, VoiceSource.BACKGROUND
    assert sources == [own, own, *[background] * 8, own]


def test_a_tick_out_of_reach_is_refused_and_an_open_segment_is_not_skipped() -> None:
    endpointer = new_endpointer(None, None)
    for _ in range(20):
        endpointer.feed(True, 1.0)

    with pytest.raises(RuntimeError, match="tick 0 is not"):
        endpointer.split(0)
    with pytest.raises(RuntimeError, match="still open"):
        endpointer.skip(1)


def test_the_objects_refuse_what_they_cannot_use() -> None:
    step = compiled.installed()
    assert step is not None
    endpointer: Any = new_endpointer(None, None)
    line = step.Line(2_000, 0)

    with pytest.raises(TypeError, match="initialised detector"):
        endpointer.advance(object(), None, 1.0)
    with pytest.raises(TypeError, match="attach takes"):
        line.attach(object(), endpointer, None, object())
    with pytest.raises(RuntimeError, match="not attached"):
        line.add(np.zeros(160, np.int16))
    with pytest.raises(TypeError, match="attached lines"):
        step.run_lines([line], None, 1, 0.0)
