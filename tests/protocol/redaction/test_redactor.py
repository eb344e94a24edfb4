"""Redaction of card data and other numbers, over segments, channels and corrections."""

import cProfile
from collections.abc import Callable
from functools import partial
from itertools import permutations

import pytest
from redacted_calls import shown

from protocol.events import SegmentId, Span
from protocol.redaction.call_state import CallState
from protocol.redaction.masking import HIDDEN, collapsed, hide
from protocol.redaction.policy import CARD_DATA, CARD_DATA_POLICY, NO_REDACTION, DataKind, Policy
from protocol.redaction.redactor import RecognisedText, redact

CARD = f"{HIDDEN}card_number"


@pytest.mark.parametrize(
    ("language", "said", "left"),
    [
        ("en", "my card is 4111 1111 1111 1111, thanks", "my card is [CARD_NUMBER], thanks"),
        ("en", "it's four one one one one one one one one one one one one one one one", "it's [CARD_NUMBER]"),
        ("en", "forty one eleven double one eleven eleven eleven eleven eleven", "[CARD_NUMBER]"),
        ("en", "4111 1111 1121 1111 no one not two", "[CARD_NUMBER]"),
        ("en", "my card number is four", "my card number is [CARD_NUMBER]"),
        ("de", "vier eins eins eins, elf elf elf elf elf elf", "[CARD_NUMBER]"),
        ("fr", "quarante et un onze onze onze onze onze onze onze", "[CARD_NUMBER]"),
        ("es", "mi tarjeta es cuatro uno uno uno uno uno uno uno", "mi tarjeta es [CARD_NUMBER]"),
        ("en", "the security code is one two three", "the security code is [SECURITY_CODE]"),
        ("en", "one two three on the back", "[SECURITY_CODE] on the back"),
        ("en", "it expires 09/27", "it expires [EXPIRY]"),
        ("en", "it expires in September twenty seven", "it expires in [EXPIRY]"),
        ("fr", "elle expire en septembre vingt-sept", "elle expire en [EXPIRY]"),
        ("en", "order number 4711 2233 from 2019", "order number 4711 2233 from 2019"),
        ("en", "call me on 415 555 0123", "call me on 415 555 0123"),
        ("en", "the card ending in 4242", "the card ending in 4242"),
        ("en", "I got the card in 2019 and I have two cards", "I got the card in 2019 and I have two cards"),
        ("en", "press one or two", "press one or two"),
        ("ja", "4111 1111 1111 1111", "[CARD_NUMBER]"),
    ],
)  # fmt: skip
def test_card_data_is_masked_and_other_numbers_stay(language: str, said: str, left: str) -> None:
    assert shown([(0, said)], language) == [left]


def test_a_card_number_over_three_segments_leaves_no_digit() -> None:
    lines = [
        (1, "could I have the card number please"),
        (0, "four one one one"),
        (1, "okay"),
        (0, "one one one one one one"),
        (0, "one one one one one one"),
        (1, "and the security code on the back"),
        (0, "one two three"),
        (1, "and your phone number"),
        (0, "415 555 0123"),
    ]

    assert shown(lines) == [
        "could I have the card number please",
        "[CARD_NUMBER]",
        "okay",
        "[CARD_NUMBER]",
        "[CARD_NUMBER]",
        "and the security code on the back",
        "[SECURITY_CODE]",
        "and your phone number",
        "415 555 0123",
    ]


def test_without_any_cue_earlier_segments_are_revised() -> None:
    lines = [(0, "it is 4111"), (1, "mhm"), (0, "1111"), (0, "uh"), (0, "1111 1111")]

    assert shown(lines) == ["it is [CARD_NUMBER]", "mhm", "[CARD_NUMBER]", "uh", "[CARD_NUMBER]"]


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_order_in_which_workers_finish_does_not_matter(order: tuple[int, ...]) -> None:
    lines = [(0, "that is 4111 1111"), (0, "1111"), (0, "1111 okay")]

    assert shown(lines, order=order) == [
        "that is [CARD_NUMBER]",
        "[CARD_NUMBER]",
        "[CARD_NUMBER] okay",
    ]


GROUPS = ["it is 4738", "2916", "0563", "7481 okay"]
IN_TAGS = ["it is [CARD_NUMBER]", "[CARD_NUMBER]", "[CARD_NUMBER]", "[CARD_NUMBER] okay"]


@pytest.mark.parametrize("order", list(permutations(range(len(GROUPS)))))
def test_a_second_card_is_no_code_in_any_order(order: tuple[int, ...]) -> None:
    """Its first group may be a security code until the next group is heard."""
    later = [len(GROUPS) + place for place in order]

    assert (
        shown([(0, text) for text in GROUPS * 2], order=[*range(len(GROUPS)), *later])
        == IN_TAGS * 2
    )


def test_a_masked_group_behind_other_words_becomes_a_part_of_a_card() -> None:
    lines = [(0, "4111 1111 1111 1111"), (0, "it is 555 or uh four seven three eight,")]
    later = [(0, "2916"), (0, "0563 7481")]

    assert shown(lines)[1] == "it is 555 or uh [SECURITY_CODE],"
    assert shown([*lines, *later])[1] == "it is 555 or uh [CARD_NUMBER],"


@pytest.mark.parametrize(
    "lines",
    [
        [(1, "and the security code please"), (0, "it is 4738"), (0, "2916 0563")],
        [(0, "the security code is 4738"), (0, "2916 0563")],
    ],
)
def test_a_code_that_was_named_stays_a_code(lines: list[tuple[int, str]]) -> None:
    assert shown([(0, "4111 1111 1111 1111"), *lines])[-2].endswith("[SECURITY_CODE]")


def test_a_whole_call_in_english() -> None:
    lines = [
        (1, "how can I help"),
        (0, "I want to book a table for two at eight thirty on the fifteenth"),
        (1, "and a phone number"),
        (0, "oh seven seven double oh nine hundred one two three"),
        (1, "I need a card to hold the booking"),
        (0, "okay it is five five double five"),
        (0, "five five five five five five"),
        (1, "yes"),
        (0, "five five five five four four"),
        (1, "the expiry date"),
        (0, "eleven twenty eight"),
        (1, "and the three numbers on the back"),
        (0, "seven three seven"),
        (1, "lovely we will charge twenty five pounds"),
        (1, "your booking reference is seven four one nine two two"),
        (0, "seven four one nine two two"),
        (0, "and there will be four of us"),
        (1, "okay four people at eight thirty"),
    ]
    masked = {
        5: "okay it is [CARD_NUMBER]",
        6: "[CARD_NUMBER]",
        8: "[CARD_NUMBER]",
        10: "[EXPIRY]",
        12: "[SECURITY_CODE]",
    }

    assert shown(lines) == [masked.get(at, text) for at, (_, text) in enumerate(lines)]


def test_a_whole_call_in_german() -> None:
    lines = [
        (1, "Ihre Kundennummer bitte"),
        (0, "vier sieben eins eins null acht"),
        (1, "und die Kreditkarte"),
        (0, "ja einen Moment"),
        (0, "also fünf vier eins drei drei drei"),
        (0, "null null acht neun"),
        (0, "null null zwei null eins eins"),
        (1, "gültig bis"),
        (0, "null acht neunundzwanzig"),
        (1, "und hinten die drei Zahlen"),
        (0, "sieben drei sieben"),
        (1, "Rückruf unter welcher Nummer"),
        (0, "null eins sieben zwei vier vier fünf sechs sieben acht neun"),
    ]
    masked = {
        4: "also [CARD_NUMBER]",
        5: "[CARD_NUMBER]",
        6: "[CARD_NUMBER]",
        8: "[EXPIRY]",
        10: "[SECURITY_CODE]",
    }

    assert shown(lines, "de") == [masked.get(at, text) for at, (_, text) in enumerate(lines)]


def test_answers_in_parts() -> None:
    lines = [
        (1, "and the expiry"),
        (0, "nine of thirty one"),
        (1, "security code"),
        (0, "eight"),
        (0, "two seven"),
    ]

    assert shown(lines)[1::2] == ["[EXPIRY]", "[SECURITY_CODE]"]
    assert shown(lines)[4] == "[SECURITY_CODE]"


def test_a_call_about_a_card_in_which_none_is_said() -> None:
    lines = [
        (0, "my card was declined for 250 dollars on the 3rd of march"),
        (1, "is that the card ending 4242"),
        (0, "yes I got it in 2021 and I called 3 times"),
        (1, "your limit is 5000 dollars"),
        (0, "send it to 1600 Pennsylvania Avenue"),
        (1, "account number please"),
        (0, "12345678"),
    ]

    assert shown(lines) == [text for _, text in lines]


def test_the_agent_who_repeats_the_number_is_masked_too() -> None:
    lines = [(0, "my card is 4111 1111 1111 1111"), (1, "so that is 4111 1111"), (1, "1111 1111")]

    assert shown(lines)[1:] == ["so that is [CARD_NUMBER]", "[CARD_NUMBER]"]


def test_a_segment_that_is_done_twice_gives_the_same() -> None:
    heard = RecognisedText(SegmentId(0, 0), Span(0, 8_000), ("4111", "1111", "1111", "1111"), "en")
    once = redact(CallState(), heard, CARD_DATA_POLICY)

    assert redact(once.state, heard, CARD_DATA_POLICY) == once


def test_the_state_holds_no_digits() -> None:
    heard = RecognisedText(SegmentId(0, 0), Span(0, 8_000), ("it", "is", "8391", "7264"), "en")

    state = redact(CallState(), heard, CARD_DATA_POLICY).state.encode()

    assert b"8391" not in state and b"7264" not in state


@pytest.mark.parametrize(
    ("kinds", "said", "left"),
    [
        ({DataKind.NUMBER}, "ticket two hundred and five", "ticket [NUMBER]"),
        ({DataKind.NUMBER}, "room 12 on floor 3", "room 12 on floor 3"),
        ({DataKind.SSN}, "my number is 123-45-6789", "my number is [SSN]"),
        ({DataKind.SSN}, "the last four of my social are six seven eight nine", "the last four of my social are [SSN]"),
        ({DataKind.IBAN}, "it is DE89 3704 0044 0532 0130 00 okay", "it is [IBAN] okay"),
        ({DataKind.IBAN}, "DE89 3704 0044 0532 0130 00, uh GB82 WEST 1234 5698 7654 32", "[IBAN], uh [IBAN]"),
        ({DataKind.IBAN}, "delta echo eight nine 3704 0044 0532 0130 00", "[IBAN]"),
        ({DataKind.TELEPHONE}, "call me on 415 555 0123", "call me on [TELEPHONE]"),
        ({DataKind.DATE_OF_BIRTH}, "I was born on March 12 1980", "I was born on [DATE_OF_BIRTH]"),
        (set(), "4111 1111 1111 1111", "4111 1111 1111 1111"),
    ],
)  # fmt: skip
def test_a_policy_decides_the_kinds(kinds: set[DataKind], said: str, left: str) -> None:
    assert shown([(0, said)], policy=Policy(frozenset(kinds))) == [left]


def test_the_last_four_are_kept_if_the_policy_says_so() -> None:
    policy = Policy(CARD_DATA, keep_last_four=True, tags=((DataKind.CARD_NUMBER, "[CARD]"),))

    assert shown([(0, "it is 4242 4242 4242 4242.")], policy=policy) == ["it is [CARD] 4242."]


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("my number is four two", "my number is"),
        ("my number is four two four two uh", "my number is"),
        ("order number 47", "order number 47"),
        ("4111 1111 1111 1111 and I think", f"{CARD} {CARD} {CARD} {CARD} and I think"),
        ("press four now", "press four now"),
    ],
)
def test_a_partial_holds_back_a_number_that_may_grow(said: str, kept: str) -> None:
    heard = RecognisedText(SegmentId(0, 0), Span(0, 8_000), tuple(said.split()), "en")

    assert " ".join(hide(CallState(), heard, CARD_DATA_POLICY)) == kept
    assert hide(CallState(), heard, NO_REDACTION) == said.split()


def test_hidden_words_become_one_tag_and_stable_words_are_counted() -> None:
    words = ["it", CARD, CARD, f"{HIDDEN}expiry", "ok"]

    assert collapsed(words, 3, CARD_DATA_POLICY) == (("it", "[CARD_NUMBER]", "[EXPIRY]", "ok"), 2)
    assert collapsed(words, 5, CARD_DATA_POLICY) == (("it", "[CARD_NUMBER]", "[EXPIRY]", "ok"), 4)


@pytest.mark.parametrize(
    "said",
    [
        "twenty five dollars and three cents ",
        "four the five a six ",
        "oh seven seven double oh nine hundred one two three and ",
        "card 4738 or order 12 ",
    ],
)
def test_the_work_grows_with_the_words_and_not_with_their_square(said: str) -> None:
    heard = [
        RecognisedText(SegmentId(0, 0), Span(0, 8_000), tuple((said * times).split()), "en")
        for times in (50, 400)
    ]
    short, long = (_calls_of(partial(redact, CallState(), one, CARD_DATA_POLICY)) for one in heard)

    assert long < 16 * short


def _calls_of(work: Callable[[], object]) -> int:
    """How many functions `work` calls: a measure that does not depend on the load of the machine."""
    profile = cProfile.Profile()
    profile.runcall(work)
    return sum(one.callcount for one in profile.getstats())
