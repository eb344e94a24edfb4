"""
Finds the route of an HTTP request.

This is the only module that parses paths: authorisation and handlers use the same `Match`. A request without a
route is answered with "not found" (default deny).
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

from ..calls.call import adapted_call_id
from .credentials import Scope

_PLACE = re.compile(r"\{([a-z_]+)\}", re.ASCII)
_LONGEST_VALUE = 1_024
"""Most characters of a decoded parameter. A call id may be 255 bytes, each of which may be escaped."""


@dataclass(frozen=True, slots=True)
class Route:
    """A path with parameters, such as `/v1/calls/{call_id}/events`, and the scope that it requires."""

    path: str
    scope: Scope | None
    """None: open to everybody, because the response contains nothing of any call."""

    methods: frozenset[str] = field(default=frozenset({"GET"}))


@dataclass(frozen=True, slots=True)
class Match:
    """A route, and the values of its parameters."""

    route: Route
    values: Mapping[str, str]

    @property
    def call_id(self) -> str | None:
        """The call id in the path; None if the route has none."""
        return self.values.get("call_id")


def find(routes: Iterable[Route], target: str) -> Match | None:
    """
    The route of a request; None if no route matches.

    `target`: path and query string as in the request line. Fixed parts must match exactly. Parameters are
    percent-decoded once, and must be printable and without a slash. `call_id` is adapted (see `adapted_call_id`).
    """
    return next(iter(find_all(routes, target)), None)


def find_all(routes: Iterable[Route], target: str) -> list[Match]:
    """All routes of a path, which differ in their methods; as `find` otherwise."""
    path = path_of(target)
    read = ((route, _read(route.path, path)) for route in routes)
    return [Match(route, values) for route, values in read if values is not None]


def path_of(target: str) -> str:
    """The path of a target, not decoded, without one trailing slash."""
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
