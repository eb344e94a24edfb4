"""
Parameters of a call that a site sets in the custom values of its bridge.

Every bridge can carry custom values (parameters, headers, variables, a query string).  All dialects accept the same
names, in any spelling: `call_id`, `callId` and `__CALL_ID` are the same.  An invalid value is ignored and reported;
it never refuses the call.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ...bridge_events import BridgeWarning, CallOpened, WarningCode
from ...calls import call
from ...calls.call import CallConfig, Keywords, Role
from ...calls.keywords import clean, split
from ...calls.speaker_roles import role_rule
from ...calls.text_form import AS_HEARD, AS_WRITTEN
from . import options
from .options import Options, ignored

_NOISE = re.compile(r"[_-]")
_LONGEST = 256
_MOST = 32


@dataclass(frozen=True, slots=True)
class CallParameters:
    """The parameters of a call, as far as they were understood."""

    call_id: str | None
    roles: Mapping[str, Role]
    """The role of each track, by the bridge's name of the track."""

    config: CallConfig
    rejected_keywords: tuple[str, ...]
    metadata: tuple[tuple[str, str], ...]
    joins: tuple[Role, ...] = ()
    """The roles of all streams of a joined call; empty for a stream that is a call by itself."""

    is_apart: bool = False
    """Whether the stream should join others but cannot, so that it must not use their call id."""

    warnings: tuple[BridgeWarning, ...] = ()

    def open(
        self,
        call_id: str | None,
        roles: tuple[Role, ...],
        rate: int,
        encoding: str,
        *,
        warnings: Sequence[BridgeWarning] = (),
        expected: str = "",
    ) -> CallOpened:
        """
        Build the event that opens the call, with the id that the site chose, else with the bridge's `call_id`.

        `roles`: one for each channel; `rate`: in Hz; `encoding`: see `CallOpened`; `warnings`: earlier ones;
        `expected`: the platform's name of its call id if it always sends one: a missing id causes a warning.
        """
        named, told = self.call_id or call_id, [*warnings, *self.warnings]
        joins, is_apart = self.joins, self.is_apart
        if joins and not set(roles) <= set(joins):
            told.append(ignored("join", f"it does not name {', '.join(set(roles) - set(joins))}"))
            joins, is_apart = (), True
        if named is None and expected:
            message = f"{expected} is missing: the gateway has made a call id"
            told.append(BridgeWarning(WarningCode.CALL_ID_MISSING, message))
        return CallOpened(
            call_id=extended(named, "-".join(roles)) if named and is_apart else named,
            roles=roles,
            rate=rate,
            encoding=encoding,
            config=self.config,
            rejected_keywords=self.rejected_keywords,
            metadata=self.metadata,
            joins=joins,
            warnings=tuple(told),
        )


def parse_parameters(
    parameters: Iterable[tuple[str, str]], roles: Mapping[str, Role] | None = None
) -> CallParameters:
    """
    Parse the parameters of a call.  Of parameters with the same name the last one counts.

    `roles`: the bridge's tracks with their default roles.
    """
    pairs = tuple(parameters)
    said = _normalised(pairs)
    asked = Options(said)
    cleaned = clean(asked.terms("keywords", "keyterms", "keyterm"))
    named = call.adapted_call_id(said["callid"]) if said.get("callid") else None
    joins = asked.read("join", lambda text: _joins(str(text), named), ())
    config = CallConfig(
        language=asked.read("language", options.language, "en"),
        translate_to=asked.read("translateto", options.language, None),
        keywords=Keywords(cleaned.terms),
        partials=asked.read("partials", options.boolean, default=True),
        hangover_ms=asked.read("endpointingms", options.hangover, None),
        keep_audio=asked.read("keepaudio", options.boolean, default=True),
        speakers=options.speakers(asked, "diarize", "speakers"),
        speaker_roles=asked.read("speakerroles", role_rule, None),
        form=AS_WRITTEN if asked.read("formattext", options.boolean, default=False) else AS_HEARD,
    )
    asked.read("role", lambda text: Role(str(text).lower()), Role.MIXED)
    return CallParameters(
        call_id=named,
        roles=_roles(asked, roles or {}),
        config=config,
        rejected_keywords=cleaned.rejected,
        metadata=kept(pairs),
        joins=joins,
        is_apart=bool(said.get("join")) and not joins,
        warnings=tuple(asked.warnings),
    )


def _normalised(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    return {_NOISE.sub("", name).lower(): value for name, value in pairs}


def _joins(text: str, call_id: str | None) -> tuple[Role, ...]:
    """The roles in a text such as `customer-agent`, with any separator: those of all streams of a joined call."""
    names = re.findall(r"[a-z]+", text.lower())
    if not names or len(names) != len(set(names)) or not set(names) <= set(Role):
        raise ValueError(f"join must name the role of each stream once, out of {', '.join(Role)}")
    if not call_id:
        raise ValueError("join needs a call_id, the same in all streams of the call")
    return tuple(map(Role, names))


def extended(call_id: str, part: str) -> str:
    """The id of a part of a call: `CALL:part`."""
    return call.adapted_call_id(f"{call.original_call_id(call_id) or call_id}:{part}")


def kept(pairs: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """The parameters that are stored with the call, limited in number and length."""
    return options.metadata(pairs, _MOST, _LONGEST)


def strings(values: Mapping[str, object]) -> list[tuple[str, str]]:
    """The values of a JSON object as pairs of texts; nested values stay JSON."""
    return list(options.texts(values))


def _roles(asked: Options, defaults: Mapping[str, Role]) -> Mapping[str, Role]:
    """The roles of tracks from `inbound:agent,outbound:customer`; missing and invalid ones keep their default."""
    roles = dict(defaults)
    for track, role in asked.read("roles", _pairs, []):
        if track in roles and role in set(Role):
            roles[track] = Role(role)
        else:
            example = ",".join(f"{name}:{default}" for name, default in defaults.items())
            asked.ignore(
                "roles", f"they are written like {example}; a role is one of {', '.join(Role)}"
            )
    return roles


def _pairs(value: object) -> list[tuple[str, str]]:
    text = str(value)
    if text.lstrip().startswith("{"):
        return list(options.texts(options.object_of(text)))
    parted = (pair.partition(":") for pair in split(text))
    return [(track.strip(), role.strip()) for track, _, role in parted]


def role_of(parameters: Iterable[tuple[str, str]]) -> Role:
    """The role of a bridge's only channel: the parameter `role`, or `leg` or `track` if it names a role."""
    said = {name: value.lower() for name, value in _normalised(parameters).items()}
    named = (said.get(name) for name in ("role", "leg", "track"))
    return next((Role(role) for role in named if role in set(Role)), Role.MIXED)
