"""Partials whose hidden words do not depend on what was said before are made without the state of their call."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.examples import examples

from protocol.events import SegmentId, Span
from protocol.redaction.call_state import CallState
from protocol.redaction.masking import follows_earlier, hide
from protocol.redaction.policy import BY_ENGINE, CARD_DATA_POLICY, DataKind
from protocol.redaction.redactor import RecognisedText, redact

EVERYTHING = replace(CARD_DATA_POLICY, kinds=frozenset(DataKind) - BY_ENGINE)
UNDATED = replace(EVERYTHING, kinds=EVERYTHING.kinds - {DataKind.DATE_OF_BIRTH})

VOCABULARY = (
    "four seven two hundred double oh zero 4738 12 may march third fifth card number code expiry birth born "
    "account tax id telephone at gmail dot com a b c and my is the yes uh please order twenty o'clock iban DE"
    " security date of first a1 pin"
)
SAID = st.lists(st.sampled_from(VOCABULARY.split()), max_size=12).map(tuple)


def state_after(lines: list[tuple[str, ...]]) -> CallState:
    """The state behind these segments of the other channel and of the same one, in turn."""
    state = CallState()
    for number, words in enumerate(lines):
        span = Span(20_000 * number, 20_000 * number + 16_000)
        heard = RecognisedText(SegmentId(number % 2, number // 2), span, words, "en")
        state = redact(state, heard, EVERYTHING).state
    return state


@settings(max_examples=examples(400), deadline=None)
@given(st.lists(SAID, min_size=1, max_size=4), SAID, st.sampled_from([CARD_DATA_POLICY, UNDATED]))
def test_words_without_numbers_are_hidden_alike_whatever_was_said_before(
    before: list[tuple[str, ...]], words: tuple[str, ...], policy: object
) -> None:
    assert isinstance(policy, type(CARD_DATA_POLICY))
    span = Span(20_000 * len(before), 20_000 * len(before) + 16_000)
    heard = RecognisedText(SegmentId(len(before) % 2, 9), span, words, "en")

    if not follows_earlier(words, "en", policy):
        assert hide(state_after(before), heard, policy) == hide(CallState(), heard, policy)


@pytest.mark.parametrize(
    ("said", "follows"),
    [
        ("thank you very much", False),
        ("it was the third of may", False),
        ("seven", True),
        ("my number is 4738", True),
        ("", False),
    ],
)
def test_only_words_with_numbers_follow_earlier_ones(said: str, *, follows: bool) -> None:
    assert follows_earlier(said.split(), "en", UNDATED) is follows
    assert follows_earlier(said.split(), "en", EVERYTHING)
