"""Query parameters of the list of calls.  Pure."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TypeVar

from protocol.calls.call import Role
from protocol.calls.call import language as language_code
from protocol.clock import from_ms

from ...search.listing import MOST_CALLS, Cursor, CursorError, Filters, Order, Status, read_cursor
from ...search.search_terms import QueryError, read_query
from ...text_forms import WordsForm
from ...transcript import LONGEST_METADATA
from .errors import ApiError

_LONGEST = 200
_LATEST = 4_102_444_800.0
"""Times are before the year 2100, in Unix seconds."""

_NUMBER = re.compile(r"[0-9]{1,12}(\.[0-9]{1,6})?", re.ASCII)

_Choice = TypeVar("_Choice", bound=StrEnum)
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class ListRequest:
    """What a client wants to see of the list of calls."""

    filters: Filters
    limit: int
    cursor: Cursor | None


NAMES = (
    "q",
    "from",
    "to",
    "status",
    "role",
    "keyword",
    "language",
    "tag",
    "dialect",
    "agent",
    "metadata",
    "min_duration",
    "order",
    "limit",
    "cursor",
)


def read_list(pairs: Iterable[tuple[str, str]], tenant: str, only: str | None) -> ListRequest:
    """
    Parse the query parameters of `GET /v1/calls`.  Raises ApiError.

    `only`: the only call (filed id) that the client may see.
    """
    said = single(pairs, NAMES)
    try:
        query = read_query(said["q"]) if "q" in said else None
        cursor = read_cursor(said["cursor"]) if "cursor" in said else None
        language = _optional(said, "language", language_code)
    except (QueryError, CursorError, ValueError) as exc:
        raise ApiError(400, "bad_parameter", str(exc)) from exc
    duration = _optional(said, "min_duration", _seconds)
    filters = Filters(
        tenant=tenant,
        only=only,
        query=query,
        since=_optional(said, "from", _time),
        before=_optional(said, "to", _time),
        status=choice(said, "status", Status),
        role=choice(said, "role", Role),
        keyword=_text(said, "keyword"),
        language=language,
        tag=_text(said, "tag"),
        dialect=_text(said, "dialect"),
        agent=_text(said, "agent"),
        metadata=_optional(said, "metadata", _pair),
        min_duration=None if duration is None else from_ms(int(1_000 * duration)),
        order=choice(said, "order", Order) or Order.NEWEST,
    )
    return ListRequest(filters, whole(said, "limit", 50, 1, MOST_CALLS), cursor)


def words_form(pairs: Iterable[tuple[str, str]]) -> WordsForm:
    """Parse the query parameters of `GET /v1/calls/{id}/transcript.{form}`.  Raises ApiError."""
    return choice(single(pairs, ("words",)), "words", WordsForm) or WordsForm.STORED


def single(pairs: Iterable[tuple[str, str]], names: Iterable[str]) -> dict[str, str]:
    """Return the parameters; `token` is left out.  Raises ApiError for unknown and repeated ones."""
    known, said = set(names), dict[str, str]()
    for name, value in pairs:
        if name == "token":  # the credential
            continue
        if name not in known:
            text = f"unknown parameter {name[:40]!r}; there are {', '.join(sorted(known))}"
            raise ApiError(400, "bad_parameter", text)
        if name in said:
            raise ApiError(400, "bad_parameter", f"{name} is given twice")
        if "\x00" in value:
            raise ApiError(400, "bad_parameter", f"{name} has a character that is not allowed")
        said[name] = value
    return said


def whole(said: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    """Return a whole number.  Raises ApiError."""
    text = said.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) <= 18 and least <= int(text) <= most):
        raise ApiError(400, "bad_parameter", f"{name} is a number from {least} to {most}")
    return int(text)


def _optional(said: Mapping[str, str], name: str, read: Callable[[str], _Value]) -> _Value | None:
    return read(said[name]) if name in said else None


def _text(said: Mapping[str, str], name: str) -> str | None:
    text = said.get(name)
    if text is not None and not 0 < len(text) <= _LONGEST:
        raise ApiError(400, "bad_parameter", f"{name} has 1 to {_LONGEST} characters")
    return text


def choice(said: Mapping[str, str], name: str, kind: type[_Choice]) -> _Choice | None:
    """Return a value of an enumeration; None if it is not given.  Raises ApiError."""
    if name not in said:
        return None
    try:
        return kind(said[name])
    except ValueError as exc:
        text = f"{name} is one of {', '.join(kind)}"
        raise ApiError(400, "bad_parameter", text) from exc


def _pair(text: str) -> tuple[str, str]:
    """Read `NAME=VALUE`."""
    name, equals, value = text.partition("=")
    if not (name and equals and max(len(name), len(value)) <= LONGEST_METADATA):
        sentence = f"metadata is NAME=VALUE, each with at most {LONGEST_METADATA} characters"
        raise ApiError(400, "bad_parameter", sentence)
    return name, value


def _seconds(text: str) -> float:
    if not _NUMBER.fullmatch(text) or float(text) > 1e9:
        raise ApiError(400, "bad_parameter", "min_duration is a number of seconds")
    return float(text)


def _time(text: str) -> float:
    """Read Unix seconds, or a date or time of ISO 8601; without an offset it is UTC."""
    try:
        if _NUMBER.fullmatch(text):
            seconds = float(text)
        else:
            read = datetime.fromisoformat(text.replace(" ", "+"))  # a plus sign in a URL is a space
            seconds = (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()
        if not 0 <= seconds < _LATEST:
            raise ValueError
    except (ValueError, OverflowError) as exc:
        sentence = "from and to are Unix seconds, or dates and times such as 2026-11-28T09:00:00Z"
        raise ApiError(400, "bad_parameter", sentence) from exc
    return seconds
