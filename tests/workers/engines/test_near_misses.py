"""Keywords that a text sounds like, although it does not contain them."""

import pytest

from workers.engines.common.near_misses import compared


@pytest.mark.parametrize(
    ("text", "terms", "written", "near"),
    [
        ("a Zelvo Dock and a Quilen headset", "Zelvo Dock|Quillon", "Zelvo Dock|Zelvo|Dock", "Quillon"),
        ("sorry to hear that, Mr. Equal", "Tobias Ekwall", "", "Ekwall"),
        ("a second quillon, for my wife", "Quillon", "Quillon", ""),
        ("have a good day", "Quillon|Tobias Ekwall", "", ""),
        ("Maren. My name is", "Maren", "Maren", ""),  # `Maren. My` is no near miss beside `Maren`
        ("", "Quillon", "", ""),
        ("hello", "", "", ""),
    ],
)  # fmt: skip
def test_terms_of_a_text(text: str, terms: str, written: str, near: str) -> None:
    found = compared(tuple(filter(None, terms.split("|"))), text.split(), 75.0)

    assert found.written == tuple(filter(None, written.split("|")))
    assert found.near == tuple(filter(None, near.split("|")))
