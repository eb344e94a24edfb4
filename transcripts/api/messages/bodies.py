"""Bodies of requests and responses: the public form of calls.  Times in milliseconds, except `started_at`."""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec

from protocol.clock import to_ms
from protocol.tenants import bare

from ...search.listing import Hit, ListedCall, Page, Status, written_cursor
from ...transcript import CallSummary, Transcript

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
    """A call in a list.  `started_at`: seconds since 1970."""

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


class KeywordListBody(msgspec.Struct):
    """A keyword list of a call: `rejected` as `term: reason`."""

    keywords_rev: int
    accepted: list[str]
    rejected: list[str]


class KeywordsBody(msgspec.Struct):
    """The keyword lists of a call, the keywords that were found with their number, and those that were not."""

    lists: list[KeywordListBody]
    found: dict[str, int]
    missing: list[str]


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
    """A call with its report."""

    notes: str
    segments: int
    words: int
    engines: list[str]
    channels: list[AccountBody]
    keywords: KeywordsBody
    line_warnings: list[WarningBody]
    latency: LatencyBody | None
    pieces: list[PieceBody]


class ChangeBody(msgspec.Struct, forbid_unknown_fields=True):
    """New values; what is left out does not change.  `legal_hold` takes the scope `admin`."""

    agent: _Text | None = None
    notes: Annotated[str, msgspec.Meta(max_length=10_000)] | None = None
    tags: Annotated[list[_Tag], msgspec.Meta(max_length=50)] | None = None
    legal_hold: bool | None = None


class NewKeywords(msgspec.Struct, forbid_unknown_fields=True):
    """The keyword list of a call from now on."""

    keywords: Annotated[
        list[Annotated[str, msgspec.Meta(max_length=200)]], msgspec.Meta(max_length=1_000)
    ]


class PausedBody(msgspec.Struct):
    """Whether the audio of a call is left out."""

    paused: bool


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


def detail_body(transcript: Transcript) -> CallDetail:
    """Return a call with its report."""
    return CallDetail(
        **_summary(transcript.call),
        notes=transcript.call.notes,
        segments=len(transcript.segments),
        words=sum(len(one.words) for one in transcript.segments),
        engines=sorted({one.engine for one in transcript.segments if one.engine}),
        channels=_accounts(transcript.call),
        keywords=keywords_body(transcript),
        line_warnings=_warnings(transcript),
        latency=_latency(transcript),
        pieces=[
            PieceBody(
                bare(one.call_id), one.started_at, to_ms(one.start), to_ms(one.start + one.duration)
            )
            for one in transcript.pieces
        ],
    )


def keywords_body(transcript: Transcript) -> KeywordsBody:
    """Return the keyword report of a call."""
    found: dict[str, int] = {}
    for one in transcript.segments:
        for word in one.keywords_found:
            found[word] = found.get(word, 0) + 1
    asked = {term: None for one in transcript.keyword_lists for term in one.accepted}
    return KeywordsBody(
        [
            KeywordListBody(one.revision, list(one.accepted), list(one.rejected))
            for one in transcript.keyword_lists
        ],
        found,
        [term for term in asked if term not in found],
    )


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
