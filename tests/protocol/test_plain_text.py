"""Output of stored text: control sequences in it have no effect."""

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.plain_text import json_plain, plain, without_arrow

OBEYED = {"Cc", "Cs", "Zl", "Zp"}
DIRECTIONS = set("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
HOSTILE = st.text(st.one_of(st.characters(), st.sampled_from("\x1b\x9b\x07\x7f\u202e->=@\r\n")))


@given(HOSTILE)
def test_plain_text_holds_nothing_that_a_terminal_obeys_and_is_one_line(text: str) -> None:
    written = plain(text)

    assert not [sign for sign in written if unicodedata.category(sign) in OBEYED]
    assert not DIRECTIONS & set(written)
    assert written == " ".join(written.split())


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("\x1b]0;owned\x07hello", "]0;ownedhello"),
        ("\x9b31mred", "31mred"),
        ("one\ttwo\nthree\u2028four", "one two three four"),
        ("invoice \u202egpj.exe", "invoice gpj.exe"),
        ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"),
        ("Zürich, naïve, 日本語", "Zürich, naïve, 日本語"),
    ],
)  # fmt: skip
def test_words_stay_and_orders_go(said: str, written: str) -> None:
    assert plain(said) == written


@given(HOSTILE)
def test_no_arrow_is_left_however_many_dashes_it_had(text: str) -> None:
    assert "-->" not in without_arrow(text)


def test_an_arrow_keeps_one_dash() -> None:
    assert without_arrow("a --> b ---> c -> d") == "a -> b -> c -> d"


@given(HOSTILE)
def test_json_means_the_same_and_shows_nothing_that_is_obeyed(text: str) -> None:
    written = json_plain(json.dumps(text, ensure_ascii=False))

    assert json.loads(written) == text
    shown = set(written)
    assert (
        not [s for s in shown if unicodedata.category(s) in OBEYED - {"Cs"}]
        and not DIRECTIONS & shown
    )
