"""
What a site says of a call in its bridge's place for custom values.

Every bridge has such a place (parameters, headers, variables, a query string) and all take the same names,
in any spelling: `call_id`, `callId` and `__CALL_ID` are one.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice

from .. import call
from ..bridge import CallOpened, DialectError
from ..call import CallConfig, Keywords, Role
from ..keywords import clean, split

_NOISE = re.compile(r"[_-]")
_LONGEST = 256
_MOST = 32


@dataclass(frozen=True, slots=True)
class Wishes:
    """What was asked for, checked."""

    call_id: str | None
    roles: Mapping[str, Role]
    """By the bridge's own name of a track."""

    config: CallConfig
    rejected_keywords: tuple[str, ...]
    metadata: tuple[tuple[str, str], ...]
    joins: tuple[Role, ...] = ()
    """The roles of all streams of the call; empty for a stream that is a call of its own."""

    def open(self, call_id: str | None, roles: tuple[Role, ...], rate: int) -> CallOpened:
        """A call under the id that the site chose, else under the bridge's."""
        if self.joins and not set(roles) <= set(self.joins):
            raise DialectError(f"join does not name {', '.join(set(roles) - set(self.joins))}")
        return CallOpened(
            call_id=self.call_id or call_id,
            roles=roles,
            rate=rate,
            config=self.config,
            rejected_keywords=self.rejected_keywords,
            metadata=self.metadata,
            joins=self.joins,
        )


def understand(
    parameters: Iterable[tuple[str, str]], roles: Mapping[str, Role] | None = None
) -> Wishes:
    """Of parameters with the same name the last one counts; DialectError says which one is wrong."""
    pairs = tuple(parameters)
    said = {_NOISE.sub("", name).lower(): value for name, value in pairs}
    cleaned = clean(split(said.get("keywords", said.get("keyterms", ""))))
    translate_to = said.get("translateto")
    named = said.get("callid")
    try:
        return Wishes(
            call_id=call.call_id(named) if named else None,
            roles=_roles(said.get("roles", ""), roles or {}),
            config=CallConfig(
                language=call.language(said.get("language") or "en"),
                translate_to=call.language(translate_to) if translate_to else None,
                keywords=Keywords(cleaned.terms),
                partials=_boolean("partials", said.get("partials", "true")),
                hangover_ms=hangover(said["endpointingms"]) if "endpointingms" in said else None,
            ),
            rejected_keywords=cleaned.rejected,
            metadata=kept(pairs),
            joins=_joins(said["join"], named) if "join" in said else (),
        )
    except ValueError as exc:
        raise DialectError(str(exc)) from exc


def _joins(text: str, call_id: str | None) -> tuple[Role, ...]:
    """`customer-agent`: the roles of a call whose streams come one by one; any sign may stand between."""
    names = re.findall(r"[a-z]+", text.lower())
    if not names or len(names) != len(set(names)) or not set(names) <= set(Role):
        raise DialectError(f"join names the roles of all streams, each once, of {', '.join(Role)}")
    if not call_id:
        raise DialectError("join needs a call_id, which all streams of the call say")
    return tuple(map(Role, names))


def kept(pairs: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """As much of what was said as is kept with the call."""
    return tuple((name[:_LONGEST], value[:_LONGEST]) for name, value in islice(pairs, _MOST))


def strings(values: Mapping[str, object]) -> list[tuple[str, str]]:
    """The texts, numbers and truths of a JSON object as pairs; what is nested is left out."""
    return [
        (name, str(value).lower() if isinstance(value, bool) else str(value))
        for name, value in values.items()
        if isinstance(value, str | int | float | bool)
    ]


def hangover(text: str) -> int:
    """Milliseconds of silence that end a segment."""
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and 100 <= int(text) <= 5_000):
        raise DialectError("endpointing_ms must lie between 100 and 5000")
    return int(text)


def _boolean(name: str, text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise DialectError(f"{name} must be true or false")
    return text.lower() == "true"


def _roles(text: str, defaults: Mapping[str, Role]) -> Mapping[str, Role]:
    """`inbound:agent,outbound:customer`; what is not said keeps its default."""
    roles = dict(defaults)
    for pair in split(text):
        track, _, role = (part.strip() for part in pair.partition(":"))
        if track not in roles or role not in list(Role):
            example = ",".join(f"{name}:{default}" for name, default in defaults.items())
            raise DialectError(
                f"roles are written like {example}; a role is one of {', '.join(Role)}"
            )
        roles[track] = Role(role)
    return roles


def role_of(parameters: Iterable[tuple[str, str]]) -> Role:
    """Who is heard on a bridge's only channel: parameter `role`, or `leg` or `track` where they name a role."""
    said = {_NOISE.sub("", name).lower(): value.lower() for name, value in parameters}
    if "role" in said and said["role"] not in set(Role):
        raise DialectError(f"role must be one of {', '.join(Role)}")
    named = (said.get(name) for name in ("role", "leg", "track"))
    return next((Role(role) for role in named if role in set(Role)), Role.MIXED)
