"""Numbers that an error of a recogniser has cut: they are masked as a whole, and two numbers stay two."""

import pytest
from redacted_calls import shown

from protocol.events import SegmentId, Span
from protocol.redaction.call_state import CallState
from protocol.redaction.masking import hide
from protocol.redaction.policy import CARD_DATA_POLICY
from protocol.redaction.redactor import RecognisedText

_MASKED = "[CARD_NUMBER]"


@pytest.mark.parametrize(
    ("language", "said", "left"),
    [
        ("en", "it's three six four five six one eight three three the two six seven one one", f"it's {_MASKED}"),
        ("en", "it's 6011 it 8920 1164 1713", f"it's {_MASKED}"),
        ("en", "four two four two four two four two no sorry for three one eight four two", _MASKED),
        ("en", "four two four two far two four two four two four two one", _MASKED),
        ("de", "also vier eins sieben neun es sechs acht sieben acht null vier null drei", f"also {_MASKED}"),
        ("de", "dreitausendsiebenhundert vierundvierzig ist sechstausendsechshundert vierundfünfzig zwölf", _MASKED),
        ("es", "pues cuatro uno ocho nueve que nueve nueve ocho nueve seis uno dos tres", f"pues {_MASKED}"),
        ("fr", "quatre cet neuf six trois huit cinq hein quatre deux un zéro neuf huit", _MASKED),
        ("it", "quattro uno otto quattro due tre sei due due tre sei", "quattro uno otto quattro due tre sei due due tre sei"),
        ("it", "quattro uno otto quattro due tre sei due due tre sei nove", _MASKED),
        ("nl", "twee honderdachtenzeventig driehonderdvijf vierhonderdeenenvijftig zevenhonderdzestig", _MASKED),
        ("en", "we sold 4500 to 12 people", "we sold 4500 to 12 people"),
        ("en", "order 45001234 and 123456 pieces", "order 45001234 and 123456 pieces"),
        ("en", "it's plus 44 7700 900123", "it's plus 44 7700 900123"),
        ("de", "das ist die plus 49 171 1234567", "das ist die plus 49 171 1234567"),
        ("en", "my card number is plus 44 7700 900123 1234", f"my card number is plus {_MASKED}"),
    ],
)  # fmt: skip
def test_an_error_between_digits_hides_no_part_of_a_card_number(
    language: str, said: str, left: str
) -> None:
    assert shown([(0, said)], language) == [left]


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("it is four two four two the", "it is"),
        ("my card is four two the", "my card is"),
        ("it is four two four two the four", "it is"),
        ("it is four two uh for", "it is"),
        ("it costs four dollars", "it costs four dollars"),
        ("there are four of them here", "there are four of them here"),
    ],
)
def test_a_partial_holds_a_number_back_that_may_go_on_after_a_wrong_word(
    said: str, left: str
) -> None:
    heard = RecognisedText(SegmentId(0, 0), Span(0, 8_000), tuple(said.split()), "en")

    assert " ".join(hide(CallState(), heard, CARD_DATA_POLICY)) == left


def test_an_added_word_before_a_group_does_not_end_the_number() -> None:
    lines = [(1, "your card number please"), (0, "4242 4242"), (0, "the 4242"), (0, "4242")]

    assert shown(lines)[1:] == [_MASKED, f"the {_MASKED}", _MASKED]


def test_a_homophone_at_the_end_of_a_group_does_not_end_the_number() -> None:
    lines = [
        (0, "four two four two"),
        (0, "four two for"),
        (0, "four two four two"),
        (0, "four two"),
    ]

    assert shown(lines) == [_MASKED, f"{_MASKED} for", _MASKED, _MASKED]
