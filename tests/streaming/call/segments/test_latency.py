import pytest

from protocol.events import (
    Final,
    MarkReached,
    Partial,
    SegmentDropped,
    SegmentFailed,
    SegmentId,
    Span,
    Terminal,
    Timing,
)
from streaming.call.segments.latency import LatencyTracker

SEGMENT = SegmentId(0, 7)
SPAN = Span(0, 8_000)
PARTIAL = Partial(SEGMENT, SPAN, 1, (), 0)
FINAL = Final(SEGMENT, SPAN, (), "en", 0, (), "engine", Timing(0, 0))


@pytest.mark.parametrize(
    "terminal", [FINAL, SegmentFailed(SEGMENT, SPAN, ""), SegmentDropped(SEGMENT, SPAN, "")]
)
def test_a_final_is_waited_for_since_its_speech_ended(terminal: Terminal) -> None:
    watch = LatencyTracker()

    watch.spoken(SEGMENT, 10.0)

    assert watch.stop(terminal, 10.75) == 0.75


def test_a_partial_is_waited_for_since_the_first_question_still_open() -> None:
    watch = LatencyTracker()

    watch.asked(SEGMENT, 1.0)
    watch.asked(SEGMENT, 3.0)

    assert watch.stop(PARTIAL, 3.5) == 2.5


def test_what_comes_twice_was_waited_for_once() -> None:
    watch = LatencyTracker()
    watch.asked(SEGMENT, 1.0)
    watch.spoken(SEGMENT, 2.0)

    first = watch.stop(FINAL, 3.0)

    assert (first, watch.stop(FINAL, 4.0), watch.stop(PARTIAL, 4.0)) == (1.0, None, None)


def test_events_without_a_request_have_no_latency() -> None:
    assert LatencyTracker().stop(FINAL, 1.0) is None
    assert LatencyTracker().stop(MarkReached("m"), 1.0) is None
