"""
Optional fields: understood in every shape that is known, else ignored and reported.

An option that cannot be understood is never a reason to refuse a call.
"""

from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import TypeVar

import msgspec

from ... import call
from ...bridge_events import BridgeWarning, DialectError, WarningCode
from ...keywords import split

T = TypeVar("T")
D = TypeVar("D")

SHORTEST_HANGOVER_MS = 100
LONGEST_HANGOVER_MS = 5_000

_TRUE = frozenset({"true", "1", "yes", "on"})
_FALSE = frozenset({"false", "0", "no", "off"})
_TERM_FIELDS = ("phrase", "term", "keyword", "keyterm", "word", "text", "value", "content", "hint")
"""Of an object in a list of keywords: vendors give each a boost or a weight, which changes nothing here."""

_LIST_FIELDS = ("phrases", "terms", "keywords", "keyterms", "hints", "words")
_MOST_ITEMS = 2_000
_SHOWN = 48
"""Characters of a name or value that a warning quotes."""


class Options:
    """Reads options one by one; `warnings` has those that were ignored."""

    def __init__(self, said: Mapping[str, object]) -> None:
        """`said`: JSON values by name; null and an empty text are not said."""
        self._said = said
        self.warnings: list[BridgeWarning] = []

    def says(self, name: str) -> bool:
        """Whether there is a value; an empty list is one."""
        return self._said.get(name) not in (None, "")

    def read(self, name: str, parse: Callable[[object], T], default: D) -> T | D:
        """What `parse` makes of the value; the default where that raises ValueError or DialectError."""
        value = self._said.get(name)
        if value is None or value == "":
            return default
        try:
            return parse(value)
        except (ValueError, DialectError) as exc:
            self.ignore(name, str(exc))
            return default

    def terms(self, *names: str) -> list[str]:
        """The terms under the first of `names` that is said; items that are none are ignored one by one."""
        name = next((one for one in names if self._said.get(one) not in (None, "")), None)
        if name is None:
            return []
        found = [term_of(item) for item in islice(self.read(name, items_of, []), _MOST_ITEMS)]
        if missed := found.count(None):
            self.ignore(name, f"{missed} of {len(found)} items are no texts")
        return [term for term in found if term is not None]

    def ignore(self, name: str, reason: str) -> None:
        """Report an option that was not understood."""
        self.warnings.append(ignored(name, reason))


def ignored(name: str, reason: str) -> BridgeWarning:
    """The warning for an option that was not understood."""
    return BridgeWarning(WarningCode.OPTION_IGNORED, f"{name[:_SHOWN]} was ignored: {reason}")


def items_of(value: object) -> list[object]:
    """The items of a list of keywords in any known shape; ValueError for any other."""
    match value:
        case str() if value.lstrip()[:1] in ("[", "{"):
            return _items_of_json(value)
        case str():
            return [*split(value)]
        case list():
            return value
        case dict() if found := _listed(value):
            return found
        case _:
            raise ValueError("must be a list of texts, or one text with commas")


def _items_of_json(text: str) -> list[object]:
    try:
        value = msgspec.json.decode(text)
    except (ValueError, RecursionError):
        return [*split(text)]
    return items_of(value) if isinstance(value, list | dict) else [text]


def _listed(value: dict[str, object]) -> list[object]:
    """`{"phrases": [...]}`, one term as an object, or terms as names with a boost each."""
    for name in _LIST_FIELDS:
        if isinstance(inner := value.get(name), list):
            return [*inner]
    if term_of(value) is not None:
        return [value]
    boosted = all(isinstance(boost, int | float) for boost in value.values())
    return [*value] if boosted else []


def term_of(item: object) -> str | None:
    """A term as text, as a number, or as an object that has it under one of the known names."""
    match item:
        case str():
            return item
        case bool():
            return None
        case int() | float():
            return str(item)
        case dict():
            texts = (item.get(name) for name in _TERM_FIELDS)
            return next((text for text in texts if isinstance(text, str) and text), None)
        case _:
            return None


def boolean(value: object) -> bool:
    """True or false in any spelling; ValueError for the rest."""
    text = str(value).strip().lower()
    if isinstance(value, bool | int | str) and text in _TRUE | _FALSE:
        return text in _TRUE
    raise ValueError("must be true or false")


def language(value: object) -> str:
    """ISO 639 code of a language tag, or of the first in a list; ValueError for the rest."""
    listed = items_of(value) if isinstance(value, list | str) else []
    first = listed[0] if listed else None
    if not isinstance(first, str):
        raise ValueError("a language is a code such as en or en-US")  # noqa: TRY004  # one kind of fault
    return call.language(first.strip())


def whole(value: object) -> int:
    """A whole number that is not negative, also written as text or with a fraction of 0."""
    match value:
        case bool():
            pass
        case int() if 0 <= value < 10**15:
            return value
        case float() if value.is_integer() and 0 <= value < 10**15:
            return int(value)
        case str() if value.isascii() and value.isdigit() and len(value) <= 15:
            return int(value)
        case _:
            pass
    raise ValueError("must be a whole number of at most 15 digits")


def whole_or_none(value: object) -> int | None:
    """A whole number, or None for the rest."""
    try:
        return whole(value)
    except ValueError:
        return None


def hangover(value: object) -> int:
    """Milliseconds of silence that end a segment: what is too short or too long becomes the nearest that is not."""
    return min(max(whole(value), SHORTEST_HANGOVER_MS), LONGEST_HANGOVER_MS)


def texts(values: Mapping[str, object]) -> list[tuple[str, str]]:
    """The values of a JSON object as pairs of texts; lists and objects stay JSON, null is left out."""
    return [(name, as_text(value)) for name, value in values.items() if value is not None]


def as_text(value: object) -> str:
    """A text as it is; anything else as JSON."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def object_of(value: object) -> dict[str, object]:
    """A JSON object, also written as text; ValueError for the rest."""
    if isinstance(value, str):
        try:
            value = msgspec.json.decode(value)
        except (ValueError, RecursionError):
            value = None
    if not isinstance(value, dict):
        raise ValueError("must be an object")  # noqa: TRY004  # one kind of fault
    return value


def metadata(
    pairs: Iterable[tuple[str, str]], most: int, longest: int
) -> tuple[tuple[str, str], ...]:
    """As much of what was said as is kept with the call."""
    return tuple((name[:longest], value[:longest]) for name, value in islice(pairs, most))
