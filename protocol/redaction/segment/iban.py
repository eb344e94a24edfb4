"""International bank account numbers (ISO 13616): spelled, spoken or written in groups."""

from collections.abc import Sequence

from ...numbers.atoms import Atom
from ...numbers.tokens import Token
from .spelled import Part, Places, stretches

_LENGTHS = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BR": 29, "BY": 28,
    "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DK": 18, "DO": 28, "EE": 20, "EG": 29, "ES": 24, "FI": 18,
    "FO": 18,
    "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28, "HR": 21, "HU": 28, "IE": 22,
    "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LC": 32, "LI": 21, "LT": 20,
    "LU": 20, "LV": 21, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MR": 27, "MT": 31, "MU": 30, "NL": 18, "NO": 15,
    "PK": 24, "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22, "SA": 24, "SC": 31, "SE": 24, "SI": 19,
    "SK": 24, "SM": 27, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20,
}  # fmt: skip


def is_iban(text: str) -> bool:
    """Whether `text` is an IBAN: country, length and check digits fit (ISO 7064 MOD 97-10)."""
    if _LENGTHS.get(text[:2]) != len(text) or not (text.isascii() and text[2:4].isdigit()):
        return False
    moved = text[4:] + text[:4]
    return int("".join(str(int(one, 36)) for one in moved)) % 97 == 1


def ibans(tokens: Sequence[Token], numbers: Sequence[Atom], language: str) -> list[Places]:
    """The places of the IBANs in `tokens`. `numbers`: the numbers in them."""
    found: list[Places] = []
    for stretch in stretches(tokens, numbers, language):
        if all(text.isdigit() for text, _, _ in stretch):
            continue
        start = 0
        while start < len(stretch):
            end = _end(stretch, start)
            if end is not None:
                found.append((stretch[start][1], stretch[end][2]))
            start = 1 + (start if end is None else end)
    return found


def _end(stretch: Sequence[Part], start: int) -> int | None:
    """Index of the last part of an IBAN that begins at part `start`; None if none does."""
    text = ""
    for place in range(start, len(stretch)):
        text += stretch[place][0]
        if len(text) > 34 or (len(text) >= 2 and text[:2] not in _LENGTHS):
            return None
        if len(text) >= 15 and is_iban(text):
            return place
    return None
