"""
Lists of calls, by indexes that begin with the tenant: the cost depends on the calls of the tenant only.

With a query, the full-text index gives matching segments in order of their calls, and the other filters are applied
to these calls.  A page is cut after `_MOST_READ` segments, even if it is not full.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, exists, func, or_, select

from protocol.events import SegmentId, Span

from ...search.listing import (
    MOST_HITS,
    Cursor,
    Filters,
    Hit,
    ListedCall,
    Order,
    Page,
    Status,
    excerpt,
)
from ...search.search_terms import Query, marks
from ...transcript import number_of
from .. import search_index
from ..schema import (
    CALL_SHIFT,
    call_metadata,
    call_of,
    calls,
    channel_of,
    found_keywords,
    keys_of,
    segments,
    tags,
)
from .queries import summaries

_MOST_READ = 8_000

_FEW = 1_000
"""Calls with a tag or keyword that are read one by one; among more, the newest calls hold enough of them."""

_LARGEST = (1 << 63) - 1

_KEYS = 1 << CALL_SHIFT
"""Keys of segments that one call may have."""


def page(connection: Connection, filters: Filters, limit: int, cursor: Cursor | None) -> Page:
    """Return at most `limit` calls after `cursor`."""
    if filters.query is None:
        return _by_time(connection, filters, limit, cursor)
    return _by_text(connection, filters, filters.query, limit, cursor)


def _by_time(connection: Connection, filters: Filters, limit: int, cursor: Cursor | None) -> Page:
    value: ColumnElement[Any] = calls.c.started_at
    if filters.order is Order.LONGEST:
        value = calls.c.whole_duration
    query = select(calls.c.id, value.label("value")).where(calls.c.call_id == calls.c.root)
    is_rising = filters.order is Order.OLDEST
    if cursor is not None:
        query = query.where(_after(value, cursor, is_rising=is_rising))
    few, others = _few(connection, filters)
    if few is None:
        order = (value, calls.c.id) if is_rising else (value.desc(), calls.c.id.desc())
        ordered = query.where(*_conditions(filters)).order_by(*order).limit(limit + 1)
        rows = list(connection.execute(ordered))
    else:
        # A condition or an order that an index fits would make the database read all calls of the tenant.
        tenant = func.coalesce(calls.c.tenant, "") == filters.tenant
        found = query.where(calls.c.id.in_(few), tenant, *_other_conditions(others))
        unordered = list(connection.execute(found))
        unordered.sort(key=lambda row: (row.value, row.id), reverse=not is_rising)
        rows = unordered[: limit + 1]
    shown = rows[:limit]
    listed = summaries(connection, [row.id for row in shown])
    more = Cursor(float(shown[-1].value), shown[-1].id) if len(rows) > limit else None
    return Page(tuple(ListedCall(listed[row.id]) for row in shown if row.id in listed), more)


def _few(connection: Connection, filters: Filters) -> tuple[list[int] | None, Filters]:
    """
    Return the calls with the wanted tag or keyword if they are few (else None), and the other filters.

    The databases cannot estimate how many they are.
    """
    if filters.tag is not None:
        query = select(tags.c.call).where(_is_tagged(filters))
        others = replace(filters, tag=None)
    elif filters.keyword is not None:
        query = select(found_keywords.c.call).where(_was_found(filters))
        others = replace(filters, keyword=None)
    elif filters.metadata is not None:
        query = select(call_metadata.c.call).where(_is_said(filters))
        others = replace(filters, metadata=None)
    else:
        return None, filters
    found = list(connection.execute(query.limit(_FEW + 1)).scalars())
    return (found if len(found) <= _FEW else None), others


def _after(value: ColumnElement[Any], cursor: Cursor, *, is_rising: bool) -> ColumnElement[bool]:
    if is_rising:
        return and_(value >= cursor.value, or_(value > cursor.value, calls.c.id > cursor.call))
    return and_(value <= cursor.value, or_(value < cursor.value, calls.c.id < cursor.call))


def _conditions(filters: Filters) -> list[ColumnElement[bool]]:
    return [calls.c.tenant == filters.tenant, *_other_conditions(filters)]


def _other_conditions(filters: Filters) -> list[ColumnElement[bool]]:
    """Return the conditions beside the tenant."""
    found: list[ColumnElement[bool]] = []
    add: Callable[[ColumnElement[bool]], None] = found.append
    if filters.only is not None:
        add(calls.c.root == filters.only)
    if filters.since is not None:
        add(calls.c.started_at >= filters.since)
    if filters.before is not None:
        add(calls.c.started_at < filters.before)
    if filters.status is not None:
        is_live = calls.c.whole_ended_reason == ""
        add(is_live if filters.status is Status.LIVE else ~is_live)
    if filters.min_duration is not None:
        add(calls.c.whole_duration >= filters.min_duration)
    for column, wanted in (
        (calls.c.language, filters.language),
        (calls.c.dialect, filters.dialect),
        (calls.c.agent, filters.agent),
    ):
        if wanted is not None:
            add(column == wanted)
    if filters.keyword is not None:
        add(_has(_was_found(filters), found_keywords.c.call))
    if filters.tag is not None:
        add(_has(_is_tagged(filters), tags.c.call))
    if filters.metadata is not None:
        add(_has(_is_said(filters), call_metadata.c.call))
    if filters.role is not None and filters.query is None:
        first, last = calls.c.id * _KEYS, (calls.c.id + 1) * _KEYS
        inside = and_(segments.c.id >= first, segments.c.id < last)
        add(exists().where(inside, segments.c.role == filters.role))
    return found


def _is_tagged(filters: Filters) -> ColumnElement[bool]:
    return and_(tags.c.tenant == filters.tenant, tags.c.tag == filters.tag)


def _was_found(filters: Filters) -> ColumnElement[bool]:
    wanted = (filters.keyword or "").casefold()
    return and_(found_keywords.c.tenant == filters.tenant, found_keywords.c.keyword == wanted)


def _is_said(filters: Filters) -> ColumnElement[bool]:
    name, value = filters.metadata or ("", "")
    of_tenant = call_metadata.c.tenant == filters.tenant
    return and_(of_tenant, call_metadata.c.name == name, call_metadata.c.value == value)


def _has(condition: ColumnElement[bool], call: ColumnElement[int]) -> ColumnElement[bool]:
    """`EXISTS`, in a form that PostgreSQL does not turn into a join with all rows that fulfil the condition."""
    found = select(call).where(condition, call == calls.c.id).limit(1)
    return found.correlate(calls).scalar_subquery().is_not(None)


def _by_text(
    connection: Connection, filters: Filters, query: Query, limit: int, cursor: Cursor | None
) -> Page:
    newest = filters.order is not Order.OLDEST
    keys = _key_range(connection, filters, cursor, newest=newest)
    found: dict[int, list[int]] = {}
    read, last_read, is_whole = 0, 0, True
    for some in _matching(connection, filters, query, keys, newest=newest):
        read += len(some)
        _take(connection, filters, some, found)
        last_read = call_of(some[-1]) if some else last_read
        if len(found) > limit or read >= _MOST_READ:
            is_whole = False
            break
    ids = list(found)
    shown = {call: found[call] for call in ids[:limit]}
    more: Cursor | None = None
    if len(ids) > limit:
        more = Cursor(0, ids[limit - 1])
    elif not is_whole:
        more = Cursor(0, last_read)
    return Page(_listed(connection, shown, filters.tenant, query), more)


def _matching(
    connection: Connection,
    filters: Filters,
    query: Query,
    keys: tuple[int, int] | None,
    *,
    newest: bool,
) -> Iterator[Sequence[int]]:
    if keys is not None:
        yield from search_index.matches(connection, filters.tenant, query, keys, newest=newest)


def _key_range(
    connection: Connection, filters: Filters, cursor: Cursor | None, *, newest: bool
) -> tuple[int, int] | None:
    """Return the keys of segments between which matches can be; None if there is no call."""
    first, last = 0, _LARGEST
    if filters.since is not None or filters.before is not None:
        timed = Filters(filters.tenant, since=filters.since, before=filters.before)
        ends = select(func.min(calls.c.id), func.max(calls.c.id)).where(*_conditions(timed))
        low, high = connection.execute(ends).one()
        if low is None:
            return None
        first, last = keys_of(low)[0], keys_of(high)[1]
    if cursor is not None and newest:
        last = min(last, keys_of(cursor.call)[0] - 1)
    elif cursor is not None:
        first = max(first, keys_of(cursor.call)[1] + 1)
    return first, last


def _take(
    connection: Connection, filters: Filters, keys: Sequence[int], found: dict[int, list[int]]
) -> None:
    """Add matching segments to `found`, by call, if their calls fulfil the other filters."""
    asked = {call_of(key) for key in keys}
    # The terms of the index are of the tenant.  With a condition for it SQLite would read all calls of the tenant.
    wanted = select(calls.c.id).where(calls.c.id.in_(asked), *_other_conditions(filters))
    good = set(connection.execute(wanted).scalars())
    fitting = [key for key in keys if call_of(key) in good]
    if filters.role is not None:
        spoken = select(segments.c.id).where(
            segments.c.id.in_(fitting), segments.c.role == filters.role
        )
        by_role = set(connection.execute(spoken).scalars())
        fitting = [key for key in fitting if key in by_role]
    for key in fitting:
        found.setdefault(call_of(key), []).append(key)


def _listed(
    connection: Connection, found: dict[int, list[int]], tenant: str, query: Query
) -> tuple[ListedCall, ...]:
    """Return the calls with their first hits.  A later stream is listed as its call."""
    own = summaries(connection, list(found))
    whole = {one.call_id: one for one in own.values() if one.call_id == one.root}
    roots = dict.fromkeys(own[call].root for call in found if call in own)
    if missing := [root for root in roots if root not in whole]:
        others = summaries(connection, missing, by_id=False)
        whole |= {one.call_id: one for one in others.values()}
    rows: dict[str, list[tuple[str, Row[Any]]]] = {
        root: [] for root in roots if root in whole and whole[root].tenant == tenant
    }
    for row in connection.execute(_first_matches(found)):
        if (call := call_of(row.id)) in own:
            rows.get(own[call].root, []).append((own[call].call_id, row))
    return tuple(ListedCall(whole[root], tuple(_hits(some, query))) for root, some in rows.items())


def _first_matches(found: dict[int, list[int]]) -> Select[Any]:
    """Select the first matching segments of each channel: among them are the first ones of the call."""
    keys = []
    for some in found.values():
        channels: dict[int, list[int]] = {}
        for key in sorted(some):
            channels.setdefault(channel_of(key), []).append(key)
        keys += [key for ones in channels.values() for key in ones[:MOST_HITS]]
    names = ("id", "channel", "number", "role", "start", "end", "text")
    return select(*(segments.c[name] for name in names)).where(segments.c.id.in_(keys))


def _hits(rows: list[tuple[str, "Row[Any]"]], query: Query) -> Iterator[Hit]:
    ordered = sorted(rows, key=lambda one: (number_of(one[0]), one[1].start))
    for call_id, row in ordered[:MOST_HITS]:
        shown, marked = excerpt(row.text, marks(row.text, query))
        segment, span = SegmentId(row.channel, row.number), Span(row.start, row.end)
        yield Hit(call_id, segment, row.role, span, shown, marked)
