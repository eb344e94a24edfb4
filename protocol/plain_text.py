"""
Stored text as each place of output can bear it.  Pure.

What was said may hold anything: a terminal obeys control characters, and readers are misled by marks that turn the
direction of writing around.
"""

import re
import unicodedata

_UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Unicode's categories: controls (C0, C1, DEL), formats (among them those of direction), surrogates, separators."""

_KEPT = "\t\r\n\u200c\u200d"
"""White space that is a control, and the zero width joiners, with which Persian and Hindi are spelled."""

_BREAKS = "\x0b\x0c\x1c\x1d\x1e\x1f\x85\u2028\u2029"
"""White space that a terminal obeys."""

_OBEYED = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""DEL, C1 controls, line separators, marks of direction: JSON leaves them as they are."""

_ARROW = re.compile(r"-+-(?=>)")


def visible(text: str) -> str:
    """What can be seen of it, white space as it was: for cells of a table."""
    return "".join(
        sign
        for sign in text
        if sign in _KEPT or sign.isspace() and sign not in _BREAKS  # noqa: RUF021
        or unicodedata.category(sign) not in _UNSEEN
    )  # fmt: skip


def plain(text: str) -> str:
    """One line that any terminal or reader shows as it stands: white space is one space, nothing is obeyed."""
    seen = (" " if sign.isspace() else sign for sign in text)
    return " ".join(visible("".join(seen)).split())


def without_arrow(text: str) -> str:
    """Of SubRip and WebVTT: an arrow of two or more dashes separates times, so one dash of it is left."""
    return _ARROW.sub("-", text)


def json_plain(written: str) -> str:
    """Of a JSON text: what a terminal would obey is written as an escape, which means the same to a program."""
    return _OBEYED.sub(lambda sign: f"\\u{ord(sign[0]):04x}", written)
