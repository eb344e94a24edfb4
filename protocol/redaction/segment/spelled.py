"""Letters and digits that follow each other: spelled, spoken or written."""

from collections.abc import Sequence
from dataclasses import replace

from ...numbers.atoms import Atom
from ...numbers.runs import is_glue
from ...numbers.tokens import Token

ICAO = {
    "alfa": "A", "alpha": "A", "bravo": "B", "charlie": "C", "delta": "D", "echo": "E", "foxtrot": "F", "golf": "G",
    "hotel": "H", "india": "I", "kilo": "K", "lima": "L", "mike": "M", "november": "N",
    "oscar": "O", "papa": "P", "quebec": "Q", "romeo": "R", "sierra": "S", "tango": "T", "uniform": "U",
    "victor": "V", "whiskey": "W", "xray": "X", "yankee": "Y", "zulu": "Z", "juliett": "J", "juliet": "J",
}  # fmt: skip
"""The ICAO spelling alphabet."""

Places = tuple[int, int]
"""Indices of the first and the last token, both included."""

Part = tuple[str, int, int]
"""Characters, and the first and the last token that they come from."""


def stretches(tokens: Sequence[Token], numbers: Sequence[Atom], language: str) -> list[list[Part]]:
    """Letters and digits that follow each other with only fillers between them."""
    by_token = {atom.first: atom for atom in numbers}
    stretches: list[list[Part]] = [[]]
    at = 0
    while at < len(tokens):
        if atom := by_token.get(at):
            stretches[-1].append((atom.digits, atom.first, atom.last))
            at = atom.last
        elif letters := _letters(tokens[at]):
            stretches[-1].append((letters, at, at))
        elif not is_glue((tokens[at],), language):
            stretches.append([])
        at += 1
    return [one for one in stretches if len(one) >= 2]


def characters(tokens: Sequence[Token], numbers: Sequence[Atom], language: str, first: int) -> str:
    """The letters and digits of `tokens`. `first`: index of the first one among the tokens of `numbers`."""
    inside = [
        replace(one, first=one.first - first, last=one.last - first)
        for one in numbers
        if first <= one.first and one.last < first + len(tokens)
    ]
    return "".join(part[0] for one in stretches(tokens, inside, language) for part in one)


def _letters(token: Token) -> str:
    """The letters of a spelled token: one letter, a word of the spelling alphabet, or capitals in an IBAN."""
    if len(token.text) == 1 and token.text.isalpha() and token.text.isascii():
        return token.text.upper()
    if token.upper and len(token.text) <= 4 and token.text.isascii():
        return token.text.upper()
    return ICAO.get(token.text, "")
