"""When a call is expected to spell."""

import pytest

from protocol.calls.spelling import SpellingRequests, asks_for_letters
from protocol.clock import CALL_RATE
from protocol.events import Final, SegmentId, Span, Timing, Word


def said(text: str, start: float, end: float, channel: int = 0) -> Final:
    """A final; times in seconds."""
    span = Span(int(start * CALL_RATE), int(end * CALL_RATE))
    words = tuple(map(Word, text.split()))
    return Final(SegmentId(channel, 0), span, words, "en", 0, (), "e", Timing(0, 0))


@pytest.mark.parametrize(
    ("text", "asks"),
    [
        ("Can you spell that, please?", True),
        ("How is it spelled?", True),
        ("Letter by letter, please.", True),
        ("Use the NATO alphabet.", True),
        ("Please read the letter.", False),
        ("", False),
    ],
)
def test_words_that_ask_for_letters(text: str, asks: bool) -> None:
    assert asks_for_letters(text.split(), "en") == asks
    assert not asks_for_letters(text.split(), "fi")


def test_a_call_spells_for_a_while_after_it_was_asked_on_any_channel() -> None:
    requests = SpellingRequests()
    requests.hear(said("Could you spell that?", 10, 12))

    assert not requests.covers(9 * CALL_RATE)
    assert requests.covers(13 * CALL_RATE)
    assert not requests.covers(33 * CALL_RATE)


@pytest.mark.parametrize(("text", "goes_on"), [("E, K, W", True), ("I am sorry", False)])
def test_letters_prolong_it(text: str, goes_on: bool) -> None:
    requests = SpellingRequests()
    requests.hear(said("Could you spell that?", 10, 12))
    requests.hear(said(text, 28, 30, channel=1))

    assert requests.covers(45 * CALL_RATE) == goes_on


def test_what_is_heard_out_of_order_counts_for_its_own_time() -> None:
    requests = SpellingRequests()
    requests.hear(said("Could you spell that?", 100, 102))
    requests.hear(said("Could you spell that?", 10, 12))

    assert requests.covers(20 * CALL_RATE)
    assert not requests.covers(60 * CALL_RATE)
    assert requests.covers(110 * CALL_RATE)
