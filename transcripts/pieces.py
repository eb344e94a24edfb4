"""
Join the consecutive streams of one call into one transcript.  Pure.

A bridge may stop its stream and start a new one under the same call id (hold, a card payment).  The second stream
is stored as `CALL~2`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import astuple, replace
from typing import TypeVar

from protocol.clock import from_seconds
from protocol.events import (
    Account,
    AudioGap,
    ChannelTotals,
    KeywordsApplied,
    LineWarning,
    Redaction,
    Span,
    Word,
)

from .transcript import CallSummary, Piece, StoredSegment, Transcript, number_of

_Timed = TypeVar("_Timed", Word, Redaction)

_REASON = "the stream was stopped and started again"


def joined(pieces: Sequence[Transcript]) -> Transcript:
    """
    Join the streams of one call on the call clock of the first stream.

    The offset of a stream is the difference of the start times by wall clock, but it never overlaps the stream
    before it.  Channels are matched by role; the revisions of keyword lists are numbered on.
    """
    ordered = sorted(pieces, key=lambda one: (one.call.started_at, number_of(one.call.call_id)))
    whole = ordered[0]
    if len(ordered) > 1:
        first = Piece(whole.call.call_id, 0, _length(whole), whole.call.started_at)
        whole = replace(whole, pieces=(first,))
    for one in ordered[1:]:
        whole = _with(whole, one)
    return whole


def _with(whole: Transcript, one: Transcript) -> Transcript:
    began = from_seconds(max(0.0, one.call.started_at - whole.call.started_at))
    before = _length(whole)
    start = max(before, began)
    roles, channels = _matched(whole.call.roles, one.call.roles)
    revisions = 1 + max((known.revision for known in whole.keyword_lists), default=-1)
    name = one.call.call_id
    there = [
        AudioGap(channel, Span(before, start), _REASON, Account.PAUSED) for channel in channels
    ]
    return replace(
        Transcript.of(
            _summary(whole.call, one.call, roles, channels, (before, start, start + _length(one))),
            [
                *whole.segments,
                *(_moved(part, start, channels, revisions, name) for part in one.segments),
            ],
            [
                *whole.gaps,
                *(there if start > before else ()),
                *(_moved_gap(gap, start, channels) for gap in one.gaps),
            ],
            [*whole.keyword_lists, *_counted_on(one.keyword_lists, revisions)],
            [*whole.line_warnings, *_moved_warnings(one.line_warnings, start, channels)],
        ),
        pieces=(*whole.pieces, Piece(name, start, _length(one), one.call.started_at)),
    )


def _length(one: Transcript) -> int:
    """Length in samples.  For a call without `call.ended`: the end of its last stored segment."""
    return max([one.call.duration, *(part.span.end for part in one.segments)])


def _matched(
    roles: tuple[str, ...], others: tuple[str, ...]
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Return the roles of the joined call, and for each of `others` its channel there."""
    known, channels = list(roles), list[int]()
    for role in others:
        free = [at for at, one in enumerate(known) if one == role and at not in channels]
        if not free:
            known.append(role)
        channels.append(free[0] if free else len(known) - 1)
    return tuple(known), tuple(channels)


def _summary(
    first: CallSummary,
    last: CallSummary,
    roles: tuple[str, ...],
    channels: tuple[int, ...],
    clock: tuple[int, int, int],
) -> CallSummary:
    """`clock`: end of the first, start and end of the last, in samples.  The time between counts as paused."""
    before, start, duration = clock
    totals = [*first.channels, *[ChannelTotals()] * (len(roles) - len(first.channels))]
    for channel, more in zip(channels, last.channels, strict=False):
        added = (
            one + other for one, other in zip(astuple(totals[channel]), astuple(more), strict=True)
        )
        summed = ChannelTotals(*added)
        totals[channel] = replace(summed, paused=summed.paused + start - before)
    return replace(
        first,
        roles=roles,
        channels=tuple(totals),
        duration=duration,
        ended_reason=last.ended_reason,
        metadata=tuple({**dict(last.metadata), **dict(first.metadata)}.items()),
    )


def _at(channel: int, channels: tuple[int, ...]) -> int:
    return channels[channel] if channel < len(channels) else channel


def _later(span: Span, by: int) -> Span:
    return Span(span.start + by, span.end + by)


def _moved(
    part: StoredSegment, by: int, channels: tuple[int, ...], revisions: int, piece: str
) -> StoredSegment:
    return replace(
        part,
        segment=replace(part.segment, channel=_at(part.segment.channel, channels)),
        span=_later(part.span, by),
        words=_all_moved(part.words, by),
        lexical=_all_moved(part.lexical, by),
        redactions=_all_moved(part.redactions, by),
        keywords_revision=part.keywords_revision + revisions,
        piece=piece,
    )


def _all_moved(timed: tuple[_Timed, ...], by: int) -> tuple[_Timed, ...]:
    """Words or redactions; their times are absent if the engine knows none."""
    return tuple(
        replace(
            one,
            start=None if one.start is None else one.start + by,
            end=None if one.end is None else one.end + by,
        )
        for one in timed
    )


def _moved_gap(gap: AudioGap, by: int, channels: tuple[int, ...]) -> AudioGap:
    return replace(gap, channel=_at(gap.channel, channels), span=_later(gap.span, by))


def _moved_warnings(
    warnings: Iterable[LineWarning], by: int, channels: tuple[int, ...]
) -> list[LineWarning]:
    return [replace(one, channel=_at(one.channel, channels), at=one.at + by) for one in warnings]


def _counted_on(lists: Iterable[KeywordsApplied], revisions: int) -> list[KeywordsApplied]:
    return [replace(one, revision=one.revision + revisions) for one in lists]
