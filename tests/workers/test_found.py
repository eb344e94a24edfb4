"""Which keywords stand in a text."""

import pytest

from workers.found import keywords_in


@pytest.mark.parametrize(
    ("text", "keywords", "found"),
    [
        ("I bought a zelvo dock.", ("Zelvo Dock",), ("Zelvo Dock",)),
        ("I bought a zelvo. Dock it", ("Zelvo Dock",), ("Zelvo Dock",)),  # signs do not part words
        ("the docks", ("dock",), ()),  # a part of a word is not the word
        ("Priya's desk", ("Priyas",), ("Priyas",)),
        ("ACME, please", ("Acme", "Orvanta"), ("Acme",)),
        ("", ("Acme",), ()),
        ("anything", ("...",), ()),
    ],
)
def test_found(text: str, keywords: tuple[str, ...], found: tuple[str, ...]) -> None:
    assert keywords_in(text, keywords) == found
