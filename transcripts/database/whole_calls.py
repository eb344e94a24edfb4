"""Duration and end of a whole call, in the rows of all its streams: lists read one row of each call."""

from collections.abc import Collection, Sequence
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from protocol.clock import from_seconds

from ..transcript import number_of
from .schema import calls


def update_calls(connection: Connection, roots: Collection[str]) -> None:
    """Write duration and end of these calls anew.  `roots`: ids of their first streams."""
    columns = (calls.c.call_id, calls.c.started_at, calls.c.duration, calls.c.ended_reason)
    query = select(calls.c.root, *columns).where(calls.c.root.in_(roots)).order_by(calls.c.root)
    found = groupby(connection.execute(query).all(), key=lambda row: str(row.root))
    rows = [_whole(root, list(streams)) for root, streams in found]
    if rows:
        names = ("whole_duration", "whole_ended_reason")
        change = update(calls).where(calls.c.root == bindparam("of"))
        connection.execute(change.values({name: bindparam(name) for name in names}), rows)


def _whole(root: str, streams: Sequence[Any]) -> dict[str, Any]:
    """As `pieces.joined` puts the streams on one clock; a stream in progress has no length yet."""
    first, *later = sorted(streams, key=lambda one: (one.started_at, number_of(one.call_id)))
    end: int = first.duration
    for one in later:
        end = max(end, from_seconds(max(0.0, one.started_at - first.started_at))) + one.duration
    reason = (later or [first])[-1].ended_reason
    return {"of": root, "whole_duration": end, "whole_ended_reason": reason}
