"""Bodies of requests and responses: the public form of calls.  Times in milliseconds, except `started_at`."""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec

from protocol.calls.call_commands import Reply
from protocol.clock import to_ms
from protocol.tenants import bare

from ...analysis.values import Analysis
from ...search.listing import Hit, ListedCall, Page, Status, written_cursor
from ...transcript import CallSummary, Transcript
from .analysis_bodies import AnalysisBody, analysis_body
from .keyword_bodies import KeywordsBody, keywords_body

_Text = Annotated[str, msgspec.Meta(max_length=200)]
_Tag = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class ErrorDetail(msgspec.Struct):
    """`code` is for programs, `message` for people."""

    code: str
    message: str


class ErrorBody(msgspec.Struct):
    """An error."""

    error: ErrorDetail


class HitBody(msgspec.Struct):
    """A segment that contains the words of a search.  `marks`: [start, end] in characters of `excerpt`."""

    segment_id: str
    role: str
    start_ms: int
    end_ms: int
    excerpt: str
    marks: list[tuple[int, int]]
    piece: str
    """Id of the stream that contains it, of a call whose stream was stopped and started again."""


class CallBody(msgspec.Struct, kw_only=True):
    """A call in a list.  `started_at`: seconds since 1970; `metadata`: what the bridge has said."""

    call_id: str
    status: Status
    roles: list[str]
    language: str
    dialect: str
    started_at: float
    duration_ms: int
    ended_reason: str
    agent: str
    tags: list[str]
    legal_hold: bool
    metadata: dict[str, str]
    hits: list[HitBody] = []


class CallsBody(msgspec.Struct):
    """A page of a list.  `next_cursor`: for the next page; null on the last one."""

    calls: list[CallBody]
    next_cursor: str | None


class AccountBody(msgspec.Struct):
    """Where the audio of a channel went, in milliseconds."""

    role: str
    transcribed_ms: int
    silence_ms: int
    paused_ms: int
    lost_upstream_ms: int
    shed_ms: int
    withheld_ms: int


class WarningBody(msgspec.Struct):
    """A fault in the audio of a channel."""

    channel: int
    role: str
    fault: str
    check: str
    measured: float
    unit: str
    at_ms: int


class LatencyBody(msgspec.Struct):
    """Median and 95th percentile of waiting and engine times of the finals, in milliseconds."""

    queue_p50_ms: int
    queue_p95_ms: int
    engine_p50_ms: int
    engine_p95_ms: int


class PieceBody(msgspec.Struct):
    """One of several consecutive streams of a call."""

    piece: str
    started_at: float
    start_ms: int
    end_ms: int


class CallDetail(CallBody, kw_only=True):
    """A call with its report.  `encoding`, `sample_rate`: of the bridge's audio; empty and 0 if not known."""

    notes: str
    encoding: str
    sample_rate: int
    segments: int
    words: int
    engines: list[str]
    channels: list[AccountBody]
    keywords: KeywordsBody
    line_warnings: list[WarningBody]
    latency: LatencyBody | None
    pieces: list[PieceBody]
    analysis: AnalysisBody | None


class StatusBody(msgspec.Struct):
    """Whether a call goes on."""

    call_id: str
    status: Status


class ChangeBody(msgspec.Struct, forbid_unknown_fields=True):
    """New values; what is left out does not change.  `legal_hold` takes the scope `admin`."""

    agent: _Text | None = None
    notes: Annotated[str, msgspec.Meta(max_length=10_000)] | None = None
    tags: Annotated[list[_Tag], msgspec.Meta(max_length=50)] | None = None
    legal_hold: bool | None = None


class PausedBody(msgspec.Struct):
    """Whether the audio of a call is left out."""

    paused: bool


class LevelBody(msgspec.Struct):
    """
    The audio of a channel of a call in progress, as its bridge sends it.

    `received_ms`: length of the audio; `level_dbfs`: level of the loudest 20 ms of the last measured quarter of a
    second, `loudest_dbfs`: of all so far.  Null before the first measurement.
    """

    received_ms: int
    level_dbfs: float | None
    loudest_dbfs: float | None


class LevelsBody(msgspec.Struct):
    """The audio of a call in progress: one entry for each channel, in their order."""

    channels: list[LevelBody]


class EventsBody(msgspec.Struct):
    """Events of a call as on its event stream (docs/native-protocol.md).  `next_seq`: for the next request."""

    call_id: str
    status: Status
    events: list[dict[str, Any]]
    next_seq: int


def list_body(page: Page) -> CallsBody:
    """Return a page of a list."""
    return CallsBody(
        [_listed(one) for one in page.calls], written_cursor(page.next) if page.next else None
    )


def detail_body(transcript: Transcript, analysis: Analysis | None) -> CallDetail:
    """Return a call with its report, and with its analysis if there is one."""
    return CallDetail(
        **_summary(transcript.call),
        notes=transcript.call.notes,
        encoding=transcript.call.encoding,
        sample_rate=transcript.call.sample_rate,
        segments=len(transcript.segments),
        words=sum(len(one.words) for one in transcript.segments),
        engines=sorted({one.engine for one in transcript.segments if one.engine}),
        channels=_accounts(transcript.call),
        keywords=keywords_body(transcript),
        line_warnings=_warnings(transcript),
        latency=_latency(transcript),
        analysis=analysis_body(analysis) if analysis is not None else None,
        pieces=[
            PieceBody(
                bare(one.call_id), one.started_at, to_ms(one.start), to_ms(one.start + one.duration)
            )
            for one in transcript.pieces
        ],
    )


def levels_body(reply: Reply) -> LevelsBody:
    """Return the public form of levels, to a tenth of a decibel."""
    return LevelsBody(
        [
            LevelBody(one.received_ms, _tenths(one.level), _tenths(one.loudest))
            for one in reply.levels
        ]
    )


def _tenths(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def status_of(call: CallSummary) -> Status:
    """Return whether a call goes on."""
    return Status.ENDED if call.ended_reason else Status.LIVE


def _listed(one: ListedCall) -> CallBody:
    return CallBody(**_summary(one.call), hits=[_hit(hit) for hit in one.hits])


def _summary(call: CallSummary) -> dict[str, Any]:
    return {
        "call_id": bare(call.call_id),
        "status": status_of(call),
        "roles": list(call.roles),
        "language": call.language,
        "dialect": call.dialect,
        "started_at": call.started_at,
        "duration_ms": to_ms(call.duration),
        "ended_reason": call.ended_reason,
        "agent": call.agent,
        "tags": list(call.tags),
        "legal_hold": call.legal_hold,
        "metadata": dict(call.metadata),
    }


def _hit(hit: Hit) -> HitBody:
    return HitBody(
        str(hit.segment),
        hit.role,
        to_ms(hit.span.start),
        to_ms(hit.span.end),
        hit.excerpt,
        list(hit.marks),
        bare(hit.call_id),
    )


def _accounts(call: CallSummary) -> list[AccountBody]:
    return [
        AccountBody(
            call.role(number),
            *map(
                to_ms,
                (
                    one.transcribed,
                    one.silence,
                    one.paused,
                    one.lost_upstream,
                    one.shed,
                    one.withheld,
                ),
            ),
        )
        for number, one in enumerate(call.channels)
    ]


def _warnings(transcript: Transcript) -> list[WarningBody]:
    return [
        WarningBody(
            one.channel,
            transcript.call.role(one.channel),
            one.fault,
            one.check,
            one.measured,
            one.unit,
            to_ms(one.at),
        )
        for one in transcript.line_warnings
    ]


def _latency(transcript: Transcript) -> LatencyBody | None:
    timed = [one.timing for one in transcript.segments if one.timing is not None]
    if not timed:
        return None
    waited, engine = [one.waited_ms for one in timed], [one.engine_ms for one in timed]
    return LatencyBody(*_percentiles(waited), *_percentiles(engine))


def _percentiles(values: Sequence[int]) -> tuple[int, int]:
    ranked = sorted(values)
    return ranked[len(ranked) // 2], ranked[min(len(ranked) - 1, int(0.95 * len(ranked)))]
