"""What is stored of a call, written as its events are: so that every column can be compared with the log."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from protocol.calls.call import Role
from protocol.events import (
    AudioGap,
    CallEnded,
    CallStarted,
    Final,
    KeywordsApplied,
    LineWarning,
    SegmentDropped,
    SegmentFailed,
    Terminal,
    Timing,
)
from protocol.events.event_codec import EventJsonWriter, entry_of
from transcripts.transcript import Ending, StoredSegment, Transcript

Row = dict[str, Any]
Rows = dict[str, Row]

_KEPT = {
    "call.started": (),
    "call.ended": (),
    "segment.final": ("segment_id",),
    "segment.failed": ("segment_id",),
    "segment.dropped": ("segment_id",),
    "audio_gap": ("channel", "start_ms"),
    "line_warning": ("channel", "fault", "at_ms"),
    "keywords.applied": ("keywords_rev",),
}
"""The types of event that are stored, and what tells two of one type apart."""

_NOT_STORED = ("seq", "v", "call_id", "per_segment", "bridge_call_id", "metadata", "sample_rate")


def rows_in(log: Iterable[Mapping[str, Any]]) -> Rows:
    """What a store should have of a log."""
    rows: Rows = {}
    for event in log:
        if event["type"] in _KEPT:
            key = ":".join([event["type"], *(str(event[name]) for name in _KEPT[event["type"]])])
            rows.setdefault(key, {k: v for k, v in event.items() if k not in _NOT_STORED})
    return rows


def rows_of(found: Transcript) -> Rows:
    """What a store has, in the same form."""
    call = found.call
    roles = tuple(Role(role) for role in call.roles)
    events: list[CallStarted | CallEnded | Terminal | AudioGap | LineWarning | KeywordsApplied] = [
        CallStarted(
            roles,
            call.language,
            call.dialect,
            call.started_at,
            call.metadata,
            call.sample_rate,
            call.encoding,
        ),
        *(_terminal(one) for one in found.segments),
        *found.gaps,
        *found.line_warnings,
        *found.keyword_lists,
        CallEnded(call.ended_reason, call.duration, len(found.segments), call.channels),
    ]
    event_writer = EventJsonWriter(call.call_id, roles)
    return rows_in(json.loads(event_writer.write(entry_of(event, None))) for event in events)


def without_latency(rows: Rows) -> Rows:
    """The same, but for where the time of finals went."""
    return {
        key: {name: value for name, value in row.items() if name != "latency"}
        for key, row in rows.items()
    }


def _terminal(one: StoredSegment) -> Terminal:
    if one.ending is Ending.DROPPED:
        return SegmentDropped(one.segment, one.span, one.reason)
    if one.ending is Ending.FAILED:
        return SegmentFailed(one.segment, one.span, one.reason)
    return Final(
        one.segment,
        one.span,
        one.words,
        one.language,
        one.keywords_revision,
        one.keywords_found,
        one.engine,
        one.timing or Timing(-1, -1),
        one.flags,
    )
