"""Shows spoken e-mail and web addresses: `jane dot doe at example dot com` is jane.doe@example.com."""

from collections.abc import Iterator

from .items import Item, Said
from .vocabulary import AT, DOT, TLDS

_LONGEST = 12
"""Words of the longest address."""


def addresses(said: Said) -> Iterator[Item]:
    """The addresses of a segment, in order."""
    dots = DOT.get(said.language, frozenset())
    place = 0
    while place < len(said.words):
        item = _at(said, place) if said.word(place + 1) in dots else None
        item = item or _mail(said, place)
        if item:
            yield item
        place = item.last + 1 if item else place + 1


def _at(said: Said, start: int) -> Item | None:
    """An address that begins with the word at `start` and a dot behind it."""
    text, place = _dotted(said, start)
    if said.word(place) in AT.get(said.language, ()):
        domain, end = _dotted(said, place + 1)
        return _item(said, f"{text}@{domain}", start, end) if _is_domain(domain) else None
    return _item(said, text, start, place) if _is_domain(text) else None


def _mail(said: Said, start: int) -> Item | None:
    """`info at example dot com`."""
    if not said.word(start) or said.word(start + 1) not in AT.get(said.language, ()):
        return None
    domain, end = _dotted(said, start + 2)
    if not _is_domain(domain):
        return None
    return _item(said, f"{said.word(start)}@{domain}", start, end)


def _dotted(said: Said, start: int) -> tuple[str, int]:
    """Words joined by spoken dots, and the place behind them."""
    dots = DOT.get(said.language, frozenset())
    text, place = said.word(start), start + 1
    while said.word(place) in dots and said.word(place + 1) and place - start < _LONGEST:
        text += f".{said.word(place + 1)}"
        place += 2
    return text, place


def _is_domain(text: str) -> bool:
    head, _, tld = text.rpartition(".")
    return bool(head) and tld in TLDS and text.replace(".", "").replace("-", "").isalnum()


def _item(said: Said, text: str, first: int, end: int) -> Item:
    return Item(text + said.sign(end - 1), first, end - 1)
