"""The ledger: received audio, and the part that Redis has stored."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.events import SegmentId, Span
from streaming.call.ledger import Ledger, LogEvent, QueueFinal, StoreAudio, Write

SEGMENT = SegmentId(0, 0)


def write_all(ledger: Ledger) -> list[Write]:
    writes = list(ledger.due())
    for write in writes:
        ledger.wrote(write)
    return writes


def test_audio_of_an_open_segment_is_written_in_pieces() -> None:
    ledger = Ledger(piece=4)
    ledger.open(SEGMENT, 0)

    ledger.feed(SEGMENT, b"abc")
    too_little = write_all(ledger)
    ledger.feed(SEGMENT, b"de")
    enough = write_all(ledger)

    assert too_little == []
    assert enough == [StoreAudio(SEGMENT, 0, b"abcde")]


def test_a_closed_segment_is_queued_behind_its_last_audio() -> None:
    ledger = Ledger(piece=100)
    ledger.open(SEGMENT, 0)
    ledger.feed(SEGMENT, b"abcdef")

    ledger.close(SEGMENT, Span(0, 1), size=4, job=b"job")

    assert write_all(ledger) == [StoreAudio(SEGMENT, 0, b"abcd"), QueueFinal(SEGMENT, b"job", 4)]
    assert write_all(ledger) == []


def test_a_partial_is_asked_for_with_the_audio_it_is_of() -> None:
    ledger = Ledger(piece=100)
    ledger.open(SEGMENT, 0)
    ledger.feed(SEGMENT, b"ab")

    ledger.want_partial(SEGMENT, b"look")

    assert write_all(ledger) == [StoreAudio(SEGMENT, 0, b"ab", b"look")]
    assert write_all(ledger) == []


def test_audio_and_partials_of_open_segments_are_not_urgent_but_all_else_is() -> None:
    ledger = Ledger(piece=1)
    ledger.open(SEGMENT, 0)
    ledger.feed(SEGMENT, b"ab")
    ledger.want_partial(SEGMENT, b"look")
    urgent = [ledger.is_urgent]

    ledger.log("started", b"s")
    urgent.append(ledger.is_urgent)
    write_all(ledger)
    urgent.append(ledger.is_urgent)
    ledger.close(SEGMENT, Span(0, 1), size=2, job=b"job")
    urgent.append(ledger.is_urgent)
    write_all(ledger)
    urgent.append(ledger.is_urgent)
    ledger.lost()
    urgent.append(ledger.is_urgent)
    ledger.settle(SEGMENT)
    ledger.apply("started", b"s")
    ledger.drop(SegmentId(0, 1), 0, b"dropped", queued=False)
    urgent.append(ledger.is_urgent)

    assert urgent == [False, True, False, True, False, True, True]


def test_all_events_are_restored_to_a_redis_that_lost_its_data() -> None:
    ledger = Ledger(piece=1)
    ledger.log("started", b"s")
    ledger.open(SEGMENT, 0)
    ledger.feed(SEGMENT, b"ab")
    ledger.close(SEGMENT, Span(0, 1), 2, b"job")
    first = write_all(ledger)

    ledger.lost()

    assert write_all(ledger) == first


def test_what_came_back_from_the_log_is_known_and_not_written_again() -> None:
    ledger = Ledger(piece=1)
    ledger.log("started", b"s")
    write_all(ledger)

    ledger.apply("started", b"s")
    ledger.lost()

    assert list(ledger.due()) == []
    assert ledger.known == (LogEvent("started", b"s"),)


def test_a_settled_segment_is_let_go() -> None:
    ledger = Ledger(piece=1)
    ledger.open(SEGMENT, 0)
    ledger.feed(SEGMENT, bytes(1000))

    ledger.settle(SEGMENT)

    assert (ledger.unsettled, ledger.held_bytes, list(ledger.due())) == (frozenset(), 0, [])


def test_a_redis_that_lost_a_part_gets_it_from_there() -> None:
    ledger = Ledger(piece=1)
    ledger.open(SEGMENT, 0)
    ledger.feed(SEGMENT, b"abcd")
    write_all(ledger)
    ledger.feed(SEGMENT, b"ef")

    ledger.missing(SEGMENT, 1)

    assert write_all(ledger) == [StoreAudio(SEGMENT, 1, b"bcdef")]


@given(st.lists(st.binary(min_size=1, max_size=9), max_size=12), st.sets(st.integers(0, 11)))
def test_whatever_fails_on_the_way_the_audio_arrives_whole(
    pieces: list[bytes], losses: set[int]
) -> None:
    """Redis as a byte string that is emptied now and then."""
    ledger = Ledger(piece=3)
    ledger.open(SEGMENT, 0)
    there = b""
    for turn, piece in enumerate(pieces):
        ledger.feed(SEGMENT, piece)
        if turn in losses:
            there = b""
            ledger.lost()
        for write in list(ledger.due()):
            assert isinstance(write, StoreAudio)
            there = there[: write.offset] + write.audio
            ledger.wrote(write)
    whole = b"".join(pieces)

    ledger.close(SEGMENT, Span(0, 1), len(whole), b"job")
    for write in list(ledger.due()):
        if isinstance(write, StoreAudio):
            there = there[: write.offset] + write.audio

    assert there == whole


BYTES = 2
"""Of a sample."""


def opened(start: int, samples: int, segment: SegmentId = SEGMENT) -> Ledger:
    """A ledger with an open segment of `samples` of the call clock, not written yet."""
    ledger = Ledger(piece=1)
    ledger.open(segment, start)
    ledger.feed(segment, bytes(samples * BYTES))
    return ledger


@pytest.mark.parametrize(
    ("stored", "safe"),
    [(0, 100), (3, 103), (9, 109), (10, None)],
)
def test_redis_has_a_channel_up_to_the_audio_that_it_confirmed(
    stored: int, safe: int | None
) -> None:
    ledger = opened(start=100, samples=10)
    audio = StoreAudio(SEGMENT, 0, bytes(stored * BYTES))

    ledger.wrote(audio)

    assert ledger.safe(0) == safe
    assert ledger.safe(1) is None


def test_redis_has_all_of_a_segment_without_audio() -> None:
    ledger = Ledger(piece=1)
    ledger.drop(SEGMENT, 100, b"dropped", queued=False)

    assert ledger.safe(0) is None


def test_a_segment_that_has_just_opened_is_not_safe() -> None:
    assert opened(start=100, samples=0).safe(0) == 100


def test_confirmed_audio_is_counted_from_its_place() -> None:
    """Confirmations may come again and in any order."""
    ledger = opened(start=0, samples=10)
    for offset, length in ((0, 2), (2, 3), (0, 1)):
        ledger.wrote(StoreAudio(SEGMENT, offset * BYTES, bytes(length * BYTES)))

    assert list(ledger.due()) == [StoreAudio(SEGMENT, 5 * BYTES, bytes(5 * BYTES))]
    ledger.missing(SEGMENT, 3 * BYTES)
    assert list(ledger.due()) == [StoreAudio(SEGMENT, 3 * BYTES, bytes(7 * BYTES))]


@pytest.mark.parametrize(
    ("is_closed", "position", "reaches"),
    [(False, 109, True), (False, 110, False), (True, 107, True), (True, 108, False)],
)
def test_unsettled_speech_reaches_as_far_as_its_audio_or_its_end(
    position: int, *, is_closed: bool, reaches: bool
) -> None:
    ledger = opened(start=100, samples=10)
    if is_closed:
        ledger.close(SEGMENT, Span(100, 108), 8 * BYTES, b"job")

    assert ledger.reaches(0, position) is reaches
    assert not ledger.reaches(1, position)
    assert not opened(100, 10, SegmentId(1, 0)).reaches(0, 0)


@pytest.mark.parametrize(("end", "is_early"), [(107, True), (108, False), (109, False)])
def test_a_terminal_event_before_the_end_of_its_segment_is_early(
    end: int, *, is_early: bool
) -> None:
    ledger = opened(start=100, samples=10)
    while_open = ledger.ends_early(SEGMENT, 200)
    ledger.close(SEGMENT, Span(100, 108), 8 * BYTES, b"job")

    assert while_open
    assert ledger.ends_early(SEGMENT, end) is is_early
    assert not ledger.ends_early(SegmentId(0, 1), end)


def test_the_audio_that_is_held_is_counted_until_its_segment_is_settled() -> None:
    ledger = opened(start=100, samples=10)
    held = [ledger.held_bytes]
    ledger.close(SEGMENT, Span(100, 108), 8 * BYTES, b"job")
    held.append(ledger.held_bytes)
    ledger.settle(SEGMENT)

    assert [*held, ledger.held_bytes] == [10 * BYTES, 8 * BYTES, 0]
