"""What a bridge has said about calls: names and values, as `call.started` shows them."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, select

from ..transcript import LONGEST_METADATA
from .schema import call_metadata

_MOST = 32
"""Most pairs of a call, as the dialects have it."""

_Pairs = tuple[tuple[str, str], ...]


def metadata_rows(call: int, tenant: str, pairs: Iterable[tuple[str, str]]) -> list[dict[str, Any]]:
    """Return the rows of a call; the first value of a name counts."""
    kept: dict[str, str] = {}
    for name, value in pairs:
        kept.setdefault(storable(name), storable(value))
    return [
        {"call": call, "tenant": tenant, "name": name, "value": value, "place": place}
        for place, (name, value) in enumerate(list(kept.items())[:_MOST])
    ]


def storable(text: str) -> str:
    """Return what the columns hold of a text."""
    return without_nul(text)[:LONGEST_METADATA]


def without_nul(text: str) -> str:
    """Return a text that both databases can hold: PostgreSQL refuses NUL."""
    return text.replace("\x00", "")


def metadata_of(connection: Connection, numbers: Sequence[int]) -> dict[int, _Pairs]:
    """Return the pairs of calls by number, in the order of the bridge."""
    found: dict[int, list[tuple[str, str]]] = {number: [] for number in numbers}
    query = select(call_metadata).where(call_metadata.c.call.in_(numbers))
    for row in connection.execute(query.order_by(call_metadata.c.place)):
        found[row.call].append((row.name, row.value))
    return {number: tuple(pairs) for number, pairs in found.items()}
