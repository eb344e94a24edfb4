"""A segment whose draft is doubtful waits longer for more speech.  Boundaries in ticks of 20 ms."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.audio.channel_segmenter import ChannelSegmenter
from streaming.audio.compiled_endpointing import new_endpointer
from streaming.audio.endpointing import Boundary, Closed, Opened, Reason
from streaming.audio.endpointing_settings import Endpointing

pytestmark = pytest.mark.usefixtures("audio_path")

SETTINGS = Endpointing(
    preroll_ms=0,
    hangover_ms=200,
    doubtful_hangover_ms=400,
    afterroll_ms=80,
    draft_ms=80,
    minimum_ms=0,
)


def boundaries(drawing: str, settings: Endpointing = SETTINGS) -> list[Boundary]:
    """The boundaries of `#`: voice, `.`: none, `?`: none, and the draft of the pause before it is doubtful."""
    segmenter, found = new_endpointer(settings, None), list[Boundary]()
    for tick in drawing:
        if tick == "?" and segmenter.pause is not None:
            segmenter.wait(segmenter.pause)
        found += segmenter.feed(tick == "#", 1.0)
    return found


@pytest.mark.parametrize(
    ("drawing", "expected"),
    [
        ("####......####..........", [Opened(0), Closed(18, Reason.PAUSE)]),
        ("####..........", [Opened(0), Closed(8, Reason.PAUSE)]),
        ("####....?.........", []),  # it waits beyond the hang-over
        ("####....?...............", [Opened(0), Closed(8, Reason.PAUSE)]),  # with the same end
        ("####....?.........####..........", [Opened(0), Closed(26, Reason.PAUSE)]),  # one segment
        ("####....?.........####....?.....", []),  # each pause has its own doubt
        ("####..?.......", [Opened(0), Closed(8, Reason.PAUSE)]),  # no draft is told yet
    ],
)
def test_a_doubtful_pause_is_longer(drawing: str, expected: list[Boundary]) -> None:
    assert boundaries(drawing)[: len(expected) or None] == (expected or [Opened(0)])


def test_a_hangover_that_the_call_sets_is_kept() -> None:
    settings = SETTINGS.with_hangover(200)

    assert boundaries("####....?.....", settings) == [Opened(0), Closed(8, Reason.PAUSE)]


def test_the_next_segment_has_the_usual_hangover() -> None:
    waited = "####....?..............."

    found = boundaries(waited + "####..........")

    assert found[2:] == [Opened(24), Closed(32, Reason.PAUSE)]


def test_the_doubt_of_another_pause_changes_nothing() -> None:
    segmenter = new_endpointer(SETTINGS, None)
    for voiced in "####....":
        segmenter.feed(voiced == "#", 1.0)

    assert (segmenter.wait(7), segmenter.wait(9)) == (False, False)
    assert [closed for _ in range(6) for closed in segmenter.feed(False, 1.0)] == [
        Closed(8, Reason.PAUSE)
    ]
    assert segmenter.wait(8) is False


def test_a_call_that_ends_does_not_wait() -> None:
    segmenter = new_endpointer(SETTINGS, None)
    for voiced in "####....":
        segmenter.feed(voiced == "#", 1.0)
    assert segmenter.wait(8)

    assert segmenter.close() == [Closed(8, Reason.FINISHED)]


@given(
    runs=st.lists(st.tuples(st.booleans(), st.integers(1, 60)), max_size=12),
    doubts=st.sets(st.integers(0, 700)),
    longest=st.integers(0, 2_000),
)
def test_doubts_only_join_segments(
    runs: list[tuple[bool, int]], doubts: set[int], longest: int
) -> None:
    """All voice is in segments, which never overlap, and no pause within one is longer than permitted."""
    settings = Endpointing(draft_ms=200, doubtful_hangover_ms=longest, maximum_ms=15_000)
    ticks = [voiced for voiced, length in runs for _ in range(length)]
    segmenter, found = new_endpointer(settings, None), list[Boundary]()
    for at, voiced in enumerate(ticks):
        if at in doubts and segmenter.pause is not None:
            segmenter.wait(segmenter.pause)
        found += segmenter.feed(voiced, 1.0)
        assert segmenter.undecided_until is None or segmenter.undecided_until >= segmenter.now
    found += segmenter.close()

    spans = [(a.tick, b.tick) for a, b in zip(found[::2], found[1::2], strict=True)]
    assert all(a <= b for a, b in spans)
    assert all(left[1] <= right[0] for left, right in pairwise(spans))
    most = max(500, longest) // 20 + 1
    for start, end in spans:
        silence = 0
        for voiced in ticks[start:end]:
            silence = 0 if voiced else silence + 1
            assert silence <= most


def test_a_channel_knows_only_its_open_segment() -> None:
    segmenter = ChannelSegmenter(SETTINGS)

    assert segmenter.wait(0, 0) is False
