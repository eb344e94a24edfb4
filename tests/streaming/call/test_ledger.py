"""The ledger: received audio, and the part that Redis has stored."""

from hypothesis import given
from hypothesis import strategies as st

from protocol.events import SegmentId, Span
from streaming.call.ledger import Ledger, LogEvent, QueueFinal, StoreAudio

SEGMENT = SegmentId(0, 0)


def write_all(ledger: Ledger) -> list[object]:
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
