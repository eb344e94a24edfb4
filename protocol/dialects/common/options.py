"""
Reads optional fields: every known form of a value is accepted; any other value is ignored and reported.

An invalid option never refuses a call.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import TypeVar

import msgspec

from ...bridge_events import BridgeWarning, DialectError, WarningCode
from ...calls import call
from ...calls.keywords import MOST_TERMS, split

T = TypeVar("T")
D = TypeVar("D")

SHORTEST_HANGOVER_MS = 100
LONGEST_HANGOVER_MS = 5_000

_TRUE = frozenset({"true", "1", "yes", "on"})
_FALSE = frozenset({"false", "0", "no", "off"})
_TERM_FIELDS = ("phrase", "term", "keyword", "keyterm", "word", "text", "value", "content", "hint")
"""Names of the text in an object of a keyword list.  A boost or weight in it has no effect here."""

_LIST_FIELDS = ("phrases", "terms", "keywords", "keyterms", "hints", "words")
_MOST_ITEMS = 2 * MOST_TERMS
_LAST_NUMBER = re.compile(r"[0-9][0-9 -]*$")
_SHOWN = 48
"""Longest quotation of a name or value in a warning, in characters."""


class Options:
    """Reads options one by one; `warnings` collects those that were ignored."""

    def __init__(self, said: Mapping[str, object]) -> None:
        """`said`: JSON values by name; null and an empty text count as missing."""
        self._said = said
        self.warnings: list[BridgeWarning] = []

    def says(self, name: str) -> bool:
        """Whether the option has a value; an empty list is a value."""
        return self._said.get(name) not in (None, "")

    def read(self, name: str, parse: Callable[[object], T], default: D) -> T | D:
        """The value parsed by `parse`; `default` if it is missing or `parse` raises ValueError or DialectError."""
        value = self._said.get(name)
        if value is None or value == "":
            return default
        try:
            return parse(value)
        except (ValueError, DialectError) as exc:
            self.ignore(name, str(exc))
            return default

    def terms(self, *names: str) -> list[str]:
        """The keywords of the first option of `names` that has a value; invalid items are ignored one by one."""
        name = next((one for one in names if self._said.get(one) not in (None, "")), None)
        if name is None:
            return []
        found = [term_of(item) for item in islice(self.read(name, items_of, []), _MOST_ITEMS)]
        if missed := found.count(None):
            self.ignore(name, f"{missed} of {len(found)} items are not strings")
        return [term for term in found if term is not None]

    def ignore(self, name: str, reason: str) -> None:
        """Add a warning for an option that is ignored."""
        self.warnings.append(ignored(name, reason))


def ignored(name: str, reason: str) -> BridgeWarning:
    """The warning for an option that is ignored."""
    return BridgeWarning(WarningCode.OPTION_IGNORED, f"{name[:_SHOWN]} was ignored: {reason}")


def items_of(value: object) -> list[object]:
    """The items of a keyword list in any known form.  Raises ValueError for any other value."""
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
            raise ValueError("must be a list of strings, or one string with commas")


def _items_of_json(text: str) -> list[object]:
    try:
        value = msgspec.json.decode(text)
    except (ValueError, RecursionError):
        return [*split(text)]
    return items_of(value) if isinstance(value, list | dict) else [text]


def _listed(value: dict[str, object]) -> list[object]:
    """The items of an object: `{"phrases": [...]}`, one term, or terms as names with a boost each."""
    for name in _LIST_FIELDS:
        if isinstance(inner := value.get(name), list):
            return [*inner]
    if term_of(value) is not None:
        return [value]
    boosted = all(isinstance(boost, int | float) for boost in value.values())
    return [*value] if boosted else []


def term_of(item: object) -> str | None:
    """A term given as text, as a number, or as an object with one of the known names; else None."""
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
    """A boolean in any usual spelling.  Raises ValueError for other values."""
    text = str(value).strip().lower()
    if isinstance(value, bool | int | str) and text in _TRUE | _FALSE:
        return text in _TRUE
    raise ValueError("must be true or false")


def language(value: object) -> str:
    """ISO 639 code of a language tag, or of the first tag in a list.  Raises ValueError for other values."""
    listed = items_of(value) if isinstance(value, list | str) else []
    first = listed[0] if listed else None
    if not isinstance(first, str):
        raise ValueError("a language is a code such as en or en-US")  # noqa: TRY004  # one kind of fault
    return call.language(first.strip())


def whole(value: object) -> int:
    """An integer of 0 or more, also as text or as a float without fraction.  Raises ValueError for other values."""
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
    """The same as `whole`, but None for other values."""
    try:
        return whole(value)
    except ValueError:
        return None


def hangover(value: object) -> int:
    """Milliseconds of silence that end a segment, clamped to the allowed range.  Raises ValueError."""
    return min(max(whole(value), SHORTEST_HANGOVER_MS), LONGEST_HANGOVER_MS)


def speakers(asked: Options, diarize: str, most: str) -> int | None:
    """
    The most speakers to tell apart: the option `most`, else two if the option `diarize` is true.

    0 if it is false; None if neither is there.
    """
    wanted = asked.read(diarize, boolean, None)
    said = asked.read(most, _speakers, None)
    if wanted is False:
        return 0
    return said if said is not None else wanted and call.USUAL_SPEAKERS


def _speakers(value: object) -> int:
    """Raises ValueError for other numbers."""
    count = whole(value)
    if not 1 <= count <= call.MOST_SPEAKERS:
        raise ValueError(f"must be 1 to {call.MOST_SPEAKERS}")
    return count


def texts(values: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Yield name and value of each field; a value that is not a string becomes JSON, null is omitted."""
    return ((name, as_text(value)) for name, value in values.items() if value is not None)


def as_text(value: object) -> str:
    """Return a string unchanged, and any other value as JSON."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def object_of(value: object) -> dict[str, object]:
    """Return a JSON object, which may also be given as a JSON string.  Raises ValueError for other values."""
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
    """The first `most` pairs, with names and values cut to `longest` characters, never inside a number."""
    return tuple((_cut(name, longest), _cut(value, longest)) for name, value in islice(pairs, most))


def _cut(text: str, longest: int) -> str:
    """`text` cut to `longest` characters.  Half a card number would not be recognised as one."""
    return text if len(text) <= longest else _LAST_NUMBER.sub("", text[:longest])
