"""
Makes stored text safe for output. Pure.

Transcripts may contain any character: terminals execute control characters, and marks that change the direction of
writing mislead readers.
"""

import re
import unicodedata

_UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Unicode categories: controls (C0, C1, DEL), formats (such as direction marks), surrogates, separators."""

_KEPT = "\t\r\n\u200c\u200d"
"""White space among the controls, and the zero width joiners, which Persian and Hindi spelling needs."""

_BREAKS = "\x0b\x0c\x1c\x1d\x1e\x1f\x85\u2028\u2029"
"""White space that terminals execute."""

_OBEYED = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""DEL, C1 controls, line separators, direction marks: JSON does not escape them."""

_ARROW = re.compile(r"-+-(?=>)")


def visible(text: str) -> str:
    """Remove invisible characters, keep white space. For table cells."""
    return "".join(
        sign
        for sign in text
        if sign in _KEPT or sign.isspace() and sign not in _BREAKS  # noqa: RUF021
        or unicodedata.category(sign) not in _UNSEEN
    )  # fmt: skip


def plain(text: str) -> str:
    """One line without control characters; each run of white space becomes one space."""
    seen = (" " if sign.isspace() else sign for sign in text)
    return " ".join(visible("".join(seen)).split())


def without_arrow(text: str) -> str:
    """For SubRip and WebVTT: shorten an arrow such as `-->`, which separates times there, to `->`."""
    return _ARROW.sub("-", text)


def json_plain(written: str) -> str:
    """Escape the characters of a JSON text that terminals execute. The JSON value does not change."""
    return _OBEYED.sub(lambda sign: f"\\u{ord(sign[0]):04x}", written)
