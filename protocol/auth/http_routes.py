"""
From the target of a request to the route that answers it.

The only reader of paths: whoever authorises a request and whoever answers it use the same `Match`. What matches no
route is not found (default deny).
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

from ..call import adapted_call_id
from .credentials import Scope

_PLACE = re.compile(r"\{([a-z_]+)\}", re.ASCII)
_LONGEST_VALUE = 1_024
"""Characters of a decoded place. A call id may be 255 bytes, of which each may be escaped."""


@dataclass(frozen=True, slots=True)
class Route:
    """One path, with places such as `/v1/calls/{call_id}/events`, and what a key must be good for."""

    path: str
    scope: Scope
    methods: frozenset[str] = field(default=frozenset({"GET"}))


@dataclass(frozen=True, slots=True)
class Match:
    """A route, and what stands in its places."""

    route: Route
    values: Mapping[str, str]

    @property
    def call_id(self) -> str | None:
        """The call that the path names; None when it names none."""
        return self.values.get("call_id")


def find(routes: Iterable[Route], target: str) -> Match | None:
    """
    The route of a request; None when there is none.

    `target`: path and query string as they stand in the request line. Fixed parts must be spelled exactly; places
    are decoded once: printable characters without a slash. `call_id` is given as calls are filed.
    """
    path = path_of(target)
    for route in routes:
        values = _read(route.path, path)
        if values is not None:
            return Match(route, values)
    return None


def path_of(target: str) -> str:
    """The path of a target, not decoded, without one slash at its end."""
    return target.partition("?")[0].removesuffix("/")


def _read(template: str, path: str) -> dict[str, str] | None:
    expected, found = template.split("/"), path.split("/")
    if len(expected) != len(found):
        return None
    values: dict[str, str] = {}
    for wanted, said in zip(expected, found, strict=True):
        if place := _PLACE.fullmatch(wanted):
            value = _decoded(said)
            if value is None:
                return None
            values[place[1]] = adapted_call_id(value) if place[1] == "call_id" else value
        elif wanted != said:
            return None
    return values


def _decoded(text: str) -> str | None:
    try:
        value = unquote(text, errors="strict")
    except UnicodeDecodeError:
        return None
    fits = 0 < len(value) <= _LONGEST_VALUE and value.isprintable() and "/" not in value
    return value if fits else None
