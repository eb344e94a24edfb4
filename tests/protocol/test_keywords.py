"""Keywords are data, never instructions."""

import unicodedata
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.calls.keywords import LONGEST_TERM, MOST_TERMS, clean, name_parts, split


@pytest.mark.parametrize(
    ("given_", "kept"),
    [
        (["Acme", "acme", "ACME "], ("Acme",)),
        (["  Priya   Raman "], ("Priya Raman",)),
        (
            ["O'Brien", "T-Mobile", "AT&T", "São Paulo", "東京"],
            ("O'Brien", "T-Mobile", "AT&T", "São Paulo", "東京"),
        ),
        (["", "   "], ()),
        (
            ["C#", "C++", "Yahoo!", "Contoso (UK)", "Acme,Orvanta", "@home", "Studio 1:2", "24/7"],
            (
                "C#",
                "C++",
                "Yahoo!",
                "Contoso (UK)",
                "Acme",
                "Orvanta",
                "@home",
                "Studio 1:2",
                "24/7",
            ),
        ),
        (
            ["क्षत्रिय", "น้ำ", "می‌خواهم", "גוּרִי", "Đặng", "Zürich", "L·L", "ジョン・スミス"],
            ("क्षत्रिय", "น้ำ", "می‌خواهم", "גוּרִי", "Đặng", "Zürich", "L·L", "ジョン・スミス"),
        ),
    ],
)
def test_names_are_kept(given_: list[str], kept: tuple[str, ...]) -> None:
    assert clean(given_).terms == kept


@pytest.mark.parametrize(
    ("term", "reason"),
    [
        ("<|im_end|>", "only letters"),
        ("a\u202eb", "only letters"),
        ("Acme \U0001f680", "only letters"),
        ("50%", "only letters"),
        ("a\x1b[2J", "only letters"),
        ("x" * 65, "longer than 64"),
        ("--", "neither a letter nor a digit"),
        ("", "empty"),
    ],
)
def test_what_is_no_name_is_refused_with_its_reason(term: str, reason: str) -> None:
    cleaned = clean([term, "Acme"])

    assert cleaned.terms == ("Acme",)
    assert reason in cleaned.rejected[0]


def test_a_list_that_is_too_long_is_cut_and_said_so() -> None:
    cleaned = clean(f"name {number}" for number in range(MOST_TERMS + 1))

    assert len(cleaned.terms) == MOST_TERMS
    assert cleaned.rejected == (f"name {MOST_TERMS}: more than {MOST_TERMS} keywords",)


def test_no_more_is_checked_of_a_hostile_list_than_twice_the_limit() -> None:
    looked_at = []

    def hostile() -> Iterator[str]:
        for number in range(1_000):
            looked_at.append(number)
            yield ",".join(f"name {number} {part}" for part in range(1_000))

    cleaned = clean(hostile())

    assert len(cleaned.terms) == MOST_TERMS
    assert len(looked_at) <= 2 * MOST_TERMS / 1_000


@given(st.lists(st.text(max_size=99), max_size=20))
def test_nothing_gets_through_that_could_be_more_than_a_name(terms: list[str]) -> None:
    cleaned = clean(terms)

    for term in cleaned.terms:
        assert 0 < len(term) <= LONGEST_TERM
        assert not set(term) & set('<>|{}[]\n\r\t\\,;"`')
    assert all(sign.isprintable() for line in cleaned.rejected for sign in line.split(":")[0])


def test_every_sign_is_allowed_by_its_category_alone() -> None:
    """The quick match of whole terms lets no other sign through."""
    signs = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    others = [one for one in signs if unicodedata.category(one) not in ("Cn", "Co") and one != ","]
    others = [one for one in others if unicodedata.category(one)[0] not in "LNM"]

    passed = set[str]()
    for first in range(0, len(others), MOST_TERMS):
        cleaned = clean(f"a{one}b" for one in others[first : first + MOST_TERMS])
        passed |= {term[1] for term in cleaned.terms}

    assert passed == set(" -'’.&/+#!():@\u200c\u200d\u00b7\u2010\u2011\u2013\u05f3\u05f4\u30fb")
    assert not [one for one in signs if one.isalnum() and unicodedata.category(one)[0] not in "LN"]


def test_a_list_in_one_string() -> None:
    assert split(" Acme, Priya Raman;\nOrvanta,, ") == ["Acme", "Priya Raman", "Orvanta"]


def test_parts_of_a_name_are_its_longer_words_with_a_capital() -> None:
    assert name_parts("Tobias Ekwall") == ("Tobias", "Ekwall")
    assert name_parts("Mr Jan van Vermeer (UK)") == ("Vermeer",)
    assert name_parts("Quillon") == name_parts("order number") == ()
