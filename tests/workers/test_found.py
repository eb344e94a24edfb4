"""Which keywords stand in a text."""

import pytest

from workers.found import keywords_in, written_as_listed


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


@pytest.mark.parametrize(
    ("words", "keywords", "written"),
    [
        ("a zelvo dock, please", ("Zelvo Dock",), "a Zelvo Dock, please"),
        ("only (quillon). yes", ("Quillon",), "only (Quillon). yes"),
        ("acme Acme's", ("ACME",), "ACME Acme's"),  # another word is left alone
        ("zelvo", ("Zelvo Dock",), "zelvo"),
        ("", ("Acme",), ""),
    ],
)
def test_keywords_are_written_as_the_call_wrote_them(
    words: str, keywords: tuple[str, ...], written: str
) -> None:
    assert written_as_listed(words.split(), keywords) == written.split()
