"""The public form of calls in progress: rows of the supervisor's view.  Pure."""

from typing import Any

import msgspec

from protocol.clock import to_ms
from protocol.tenants import bare

from .call_state import LiveCallState

_MOST_METADATA = 8
_LONGEST_VALUE = 120


class LastWordsBody(msgspec.Struct):
    """What was said last: the end of the text.  `partial`: the segment is still open."""

    role: str
    text: str
    partial: bool
    at_ms: int


class LineBody(msgspec.Struct):
    """A fault in the audio of a channel, and what to check."""

    role: str
    fault: str
    check: str


class LiveCallBody(msgspec.Struct):
    """A call in progress.  `version` rises with each change; `started_at`: seconds since 1970."""

    call_id: str
    version: int
    started_at: float
    agent: str
    tags: list[str]
    metadata: dict[str, str]
    language: str
    dialect: str
    sample_rate: int
    encoding: str
    roles: list[str]
    speaking: list[str]
    """Roles of channels with an open segment."""

    last: LastWordsBody | None
    finals: int
    talk_ms: dict[str, int]
    """Speech in finals, by role."""

    keywords: dict[str, int]
    """Keywords that were found, with their number."""

    line: list[LineBody]
    warnings: list[str]
    lost_ms: int
    failed: int
    degraded: str
    degraded_reason: str
    cards: int
    ended: str
    """Why the call ended; empty while it is in progress."""


def live_row(state: LiveCallState) -> LiveCallBody:
    """Return the row of a call."""
    started = state.started
    pairs = (started.metadata if started else ())[:_MOST_METADATA]
    return LiveCallBody(
        call_id=bare(state.call_id),
        version=state.version,
        started_at=started.started_at if started else 0.0,
        agent=state.agent,
        tags=list(state.tags),
        metadata={name[:_LONGEST_VALUE]: value[:_LONGEST_VALUE] for name, value in pairs},
        language=started.language if started else "",
        dialect=started.dialect if started else "",
        sample_rate=started.sample_rate if started else 0,
        encoding=started.encoding if started else "",
        roles=list(started.roles) if started else [],
        speaking=sorted({state.role(one.channel) for one in state.speaking}),
        last=_last(state),
        finals=state.finals,
        talk_ms=_talk(state),
        keywords=state.top_keywords(),
        line=[
            LineBody(state.role(one.channel), one.fault, one.check) for one in state.line.values()
        ],
        warnings=list(state.warnings.values()),
        lost_ms=to_ms(state.lost),
        failed=state.failed,
        degraded=state.level.name.lower(),
        degraded_reason=state.level_reason,
        cards=state.cards,
        ended=state.ended.reason if state.ended else "",
    )


def _last(state: LiveCallState) -> LastWordsBody | None:
    if state.last is None:
        return None
    role = state.role(state.last.segment.channel)
    return LastWordsBody(role, state.last.text, state.last.is_partial, to_ms(state.last.at))


def _talk(state: LiveCallState) -> dict[str, int]:
    talk: dict[str, Any] = {}
    for channel, samples in state.talk.items():
        role = state.role(channel)
        talk[role] = talk.get(role, 0) + to_ms(samples)
    return talk
