"""Long keyword lists: keywords that sound like the speech come first, at any position of the list."""

import random

import pytest

from workers.engines.common.keyword_ranking import by_sound, in_order, sounding_like

_SYLLABLES = (
    "ba",
    "den",
    "fi",
    "gor",
    "hel",
    "kin",
    "lom",
    "mus",
    "nar",
    "pel",
    "rust",
    "sil",
    "tov",
    "vek",
    "zan",
)


def list_with(term: str, place: int, length: int = 500) -> list[str]:
    """A list of made-up names of two to four syllables; one of them is `term`."""
    chance = random.Random(7)
    names = [
        "".join(chance.choices(_SYLLABLES, k=chance.randint(2, 4))).title() for _ in range(length)
    ]
    names[place] = term
    return names


@pytest.mark.parametrize(
    ("term", "heard"),
    [
        ("Priya Raman", "I would like to speak to Pria Ramen please"),
        ("Saoirse", "this is seersha calling from the office"),
        ("Zelvo Dock", "where can I buy the zelvodoc today"),
        ("Kowalczyk", "mister Kovalchik wants his money back"),
        ("Łódź", "we deliver to Lodz on Friday"),
        ("Müller-Lüdenscheidt", "herr muller luden shite ist nicht da"),
        ("O'Neil", "Doctor O'Neill will see you now"),
        ("Орванта", "это новая орвантa система".replace("a", "а")),
        ("東京", "私は東京に住んでいます 東京"),
        ("C++", "we write it in C plus plus, that is C"),
        ("4711", "the order number is 4711 I think"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("place", [0, 50, 499])
def test_what_was_said_is_among_the_first_wherever_it_stands(
    term: str, heard: str, place: int
) -> None:
    terms = list_with(term, place)

    assert term in by_sound(terms, heard)[:20]


def test_what_is_equally_unlike_keeps_its_order() -> None:
    terms = ["Ann", "Bob", "Cid"]

    assert by_sound(terms, "") == ("Ann", "Bob", "Cid")
    assert by_sound(terms, "!!! ...") == ("Ann", "Bob", "Cid")
    assert by_sound([], "hello") == ()


def test_no_term_is_lost_and_none_is_added() -> None:
    terms = list_with("Ann", 3)

    assert sorted(by_sound(terms, "and then Ann said yes " * 500)) == sorted(terms)


def test_what_was_chosen_is_said_in_the_order_of_the_call() -> None:
    assert in_order(("Cid", "Ann"), ("Ann", "Bob", "Cid")) == ("Ann", "Cid")


def test_terms_that_sound_like_nothing_that_was_heard_are_left_out() -> None:
    terms = ("Kubernetes", "Ekwall", "Priya Raman")

    assert sounding_like(terms, "thanks mister equal for calling", 70.0) == ("Ekwall",)
    assert sounding_like(terms, "", 70.0) == ()
    assert sounding_like((), "thanks", 70.0) == ()
