"""Writes spoken e-mail and web addresses: `jane dot doe at example dot com` is jane.doe@example.com."""

from collections.abc import Iterator
from dataclasses import dataclass

from ...numbers.languages import lexicon_of
from ...redaction.segment.address_words import AT, SEPARATORS, TLDS
from ..items import Item, SegmentWords
from ..vocabulary import SLASHES

_LONGEST = 20
"""Words of the longest address."""


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of an address. `end`: the place behind its words."""

    text: str
    end: int


def address(said: SegmentWords, place: int) -> Item | None:
    """An address that begins with the word at `place`."""
    name = _dotted(said, place)
    if name is None:
        return None
    text, end = name.text, name.end
    if said.word(end) in AT.get(said.language, ()) and not said.is_closed(end - 1):
        domain = _dotted(said, end + 1)
        if domain is None or not _is_domain(domain.text):
            return None
        return said.item(f"{text}@{domain.text}", place, domain.end - 1)
    if not _is_domain(text):
        return None
    path = "".join(_path(said, end))
    last = end - 1 + sum(1 for _ in _path(said, end)) * 2
    return said.item(text + path, place, last)


def may_have_address(said: SegmentWords) -> bool:
    """Whether a spoken dot is among the words: no address is without one."""
    dots = [phrase[0] for phrase, sign in SEPARATORS.get(said.language, ()) if sign == "."]
    return any(dot in said.plain for dot in dots)


def _dotted(said: SegmentWords, place: int) -> _Part | None:
    """Parts that are joined by spoken signs."""
    part = _part(said, place)
    if part is None:
        return None
    text, end = part.text, part.end
    while end - place < _LONGEST and not said.is_closed(end - 1):
        sign = _sign(said, end)
        more = _part(said, end + len(sign[0])) if sign else None
        if sign is None or more is None:
            break
        text, end = f"{text}{sign[1]}{more.text}", more.end
    return _Part(text, end)


def _sign(said: SegmentWords, place: int) -> tuple[tuple[str, ...], str] | None:
    return next(
        (one for one in SEPARATORS.get(said.language, ()) if said.follows(place, one[0])), None
    )


def _part(said: SegmentWords, place: int) -> _Part | None:
    """A word, spelled letters, or digits, and digits that follow it."""
    word = said.word(place)
    many = lexicon_of(said.language).repeats.get(word, 0)
    if many and len(said.word(place + 1)) == 1:
        return _Part(said.word(place + 1) * many, place + 2)
    if run := said.run(place):
        return _Part("".join(one.digits for one in run), run[-1].last + 1)
    if not (word.isascii() and word.isalnum()):
        return None
    end = place + 1
    while len(word) < _LONGEST and len(said.word(end)) == 1 == len(said.word(end - 1)):
        if said.is_closed(end - 1):
            break
        word, end = word + said.word(end), end + 1
    if not said.is_closed(end - 1) and (run := said.run(end)):
        word, end = word + "".join(one.digits for one in run), run[-1].last + 1
    return _Part(word, end)


def _path(said: SegmentWords, place: int) -> Iterator[str]:
    """`slash help` behind a domain: each slash with its word."""
    slashes = SLASHES.get(said.language, frozenset[str]())
    while (
        said.word(place) in slashes and not said.is_closed(place - 1) and not said.is_closed(place)
    ):
        word = said.word(place + 1)
        if not (word.isascii() and word.isalnum()):
            return
        yield f"/{word}"
        place += 2


def _is_domain(text: str) -> bool:
    head, _, tld = text.rpartition(".")
    return bool(head) and tld in TLDS and head.replace(".", "").replace("-", "").isalnum()
