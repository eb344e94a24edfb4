"""Which calls to list: filters, order, pages and hits, as values.  Pure."""

import base64
import binascii
from dataclasses import dataclass
from enum import StrEnum

import msgspec

from protocol.events import SegmentId, Span

from ..transcript import CallSummary
from .search_terms import Query

MOST_CALLS = 200
"""Most calls on one page."""

MOST_HITS = 3
"""Most hits that are shown for one call."""

_BEFORE, _AFTER = 60, 100
"""Characters of an excerpt before and after the first marked word."""


class CursorError(ValueError):
    """The cursor is not of this list."""


class Status(StrEnum):
    """Whether a call goes on."""

    LIVE = "live"
    ENDED = "ended"


class Order(StrEnum):
    """Order of a list of calls."""

    NEWEST = "newest"
    OLDEST = "oldest"
    LONGEST = "longest"


@dataclass(frozen=True, slots=True)
class Filters:
    """What calls must fulfil; None: anything.  Times are Unix seconds, durations samples of the call clock."""

    tenant: str = ""
    only: str | None = None
    """The only call (filed id) that may be seen."""

    query: Query | None = None
    since: float | None = None
    before: float | None = None
    status: Status | None = None
    role: str | None = None
    """A call with such a channel; with `query`, the hits must be of such a channel."""

    keyword: str | None = None
    """A keyword that was found in the call."""

    language: str | None = None
    tag: str | None = None
    dialect: str | None = None
    agent: str | None = None
    metadata: tuple[str, str] | None = None
    """Name and value of what the bridge said."""

    min_duration: int | None = None
    order: Order = Order.NEWEST


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page ends: the sort value of its last call, and its number."""

    value: float
    call: int


@dataclass(frozen=True, slots=True)
class Hit:
    """A segment that contains the query."""

    call_id: str
    """Id of the stream that contains it."""

    segment: SegmentId
    role: str
    span: Span
    excerpt: str
    marks: tuple[tuple[int, int], ...]
    """Where words of the query stand in `excerpt`: positions of characters (start, end)."""


@dataclass(frozen=True, slots=True)
class ListedCall:
    """A call in a list."""

    call: CallSummary
    hits: tuple[Hit, ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """Some calls of a list; `next`: where the next page begins, None on the last one."""

    calls: tuple[ListedCall, ...]
    next: Cursor | None = None


def written_cursor(cursor: Cursor) -> str:
    """Encode a cursor for a URL."""
    packed = msgspec.msgpack.encode((cursor.value, cursor.call))
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def read_cursor(text: str) -> Cursor:
    """Decode a cursor.  Raises CursorError."""
    try:
        packed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        value, call = msgspec.msgpack.decode(packed, type=tuple[float, int])
    except (binascii.Error, ValueError, msgspec.MsgspecError) as exc:
        raise CursorError("the cursor is not one that a list has returned") from exc
    if not (0 <= call < 1 << 38 and abs(value) < 1 << 62):
        raise CursorError("the cursor is not one that a list has returned")
    return Cursor(value, call)


def excerpt(text: str, marked: list[tuple[int, int]]) -> tuple[str, tuple[tuple[int, int], ...]]:
    """Cut `text` around its first mark.  Returns the excerpt and the marks in it."""
    first = marked[0][0] if marked else 0
    start, end = max(0, first - _BEFORE), min(len(text), first + _AFTER)
    head, tail = "…" if start else "", "…" if end < len(text) else ""
    shift = len(head) - start
    inside = ((a + shift, b + shift) for a, b in marked if start <= a and b <= end)
    return head + text[start:end] + tail, tuple(inside)
