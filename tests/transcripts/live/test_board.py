"""What supervisors see: the state of calls from their events, and messages about what has changed."""

import json
from typing import Any

from protocol.calls.call import Role
from protocol.events import (
    Account,
    AudioGap,
    CallEnded,
    CallStarted,
    Fault,
    Final,
    LineWarning,
    LoadChanged,
    LoadLevel,
    Partial,
    SegmentFailed,
    SegmentId,
    SegmentRevised,
    Span,
    SpeechStarted,
    Timing,
    TranscriptEvent,
    Word,
)
from protocol.events.event_codec import entry_of
from transcripts.live.board import Board, View
from transcripts.live.call_state import LONGEST_WORDS, LiveCallState
from transcripts.live.rows import live_row

SEGMENT = SegmentId(1, 0)
STARTED = CallStarted(
    (Role.AGENT, Role.CUSTOMER), "en", "twilio", 5.0, (("agent", "Priya"), ("from", "+15550100"))
)


def words(text: str) -> tuple[Word, ...]:
    return tuple(Word(word) for word in text.split())


def final(text: str, *found: str, segment: SegmentId = SEGMENT, end: int = 16_000) -> Final:
    return Final(segment, Span(0, end), words(text), "en", 0, found, "e", Timing(1, 2))


def state_of(*events: TranscriptEvent, call_id: str = "acme/c1") -> LiveCallState:
    state = LiveCallState(call_id)
    for event in (STARTED, *events):
        state.feed(entry_of(event, None if isinstance(event, Partial) else 1))
    return state


def told(message: bytes | None) -> dict[str, Any]:
    assert message is not None
    (data,) = [line for line in message.decode().splitlines() if line.startswith("data: ")]
    return dict(json.loads(data.removeprefix("data: ")))


def test_a_row_has_who_language_last_words_talk_keywords_line_and_degradation() -> None:
    row = live_row(
        state_of(
            SpeechStarted(SEGMENT, 0),
            final("my name is Orvanta", "Orvanta"),
            final("hello", segment=SegmentId(0, 0), end=8_000),
            SpeechStarted(SegmentId(1, 1), 20_000),
            Partial(SegmentId(1, 1), Span(20_000, 24_000), 1, words("and then"), 1),
            LineWarning(1, Fault.NOISE, "check the line", 1.0, "dB", 0),
            AudioGap(0, Span(0, 8_000), "lost", Account.LOST_UPSTREAM),
            AudioGap(0, Span(0, 8_000), "paused", Account.PAUSED),
            SegmentFailed(SegmentId(0, 1), Span(0, 1), "no"),
            LoadChanged(0, LoadLevel.FEWER_PARTIALS, "late"),
        )
    )

    assert (row.call_id, row.agent, row.language, row.dialect) == ("c1", "Priya", "en", "twilio")
    assert row.metadata["from"] == "+15550100"
    assert row.last is not None
    assert (row.last.text, row.last.role, row.last.partial) == ("and then", "customer", True)
    assert row.talk_ms == {"customer": 2_000, "agent": 1_000}
    assert row.keywords == {"Orvanta": 1}
    assert [(one.role, one.fault) for one in row.line] == [("customer", "noise")]
    assert (row.lost_ms, row.failed, row.finals) == (1_000, 1, 2)
    assert (row.degraded, row.degraded_reason) == ("fewer_partials", "late")
    assert row.speaking == ["customer"]


def test_words_that_are_redacted_later_are_not_shown_any_more() -> None:
    state = state_of(final("my card is 4242", "4242"))
    state.feed(entry_of(SegmentRevised(final("my card is [CARD]")), 3))

    assert state.last is not None
    assert state.last.text == "my card is [CARD]"
    assert state.top_keywords() == {}


def test_a_partial_whose_final_has_no_words_disappears() -> None:
    partial = Partial(SEGMENT, Span(0, 800), 1, words("4 2 4 2"), 0)

    assert state_of(SpeechStarted(SEGMENT, 0), partial, final("")).last is None
    assert state_of(partial, SegmentFailed(SEGMENT, Span(0, 800), "x")).last is None


def test_the_last_words_are_bounded() -> None:
    state = state_of(final("a" * 10_000))

    assert state.last is not None
    assert len(state.last.text) == LONGEST_WORDS


def test_a_view_tells_each_change_once_and_counts_its_messages() -> None:
    board = Board()
    view = View(board, "acme")
    board.put(state := state_of())

    first, nothing = told(view.changes()), view.changes()
    for number in range(40):
        state.feed(entry_of(Partial(SEGMENT, Span(0, 8), number, words(f"w{number}"), 0), None))
    second = told(view.changes())
    board.remove("acme/c1")
    third = told(view.changes())

    assert nothing is None
    assert [one["n"] for one in (first, second, third)] == [1, 2, 3]
    assert [one["call_id"] for one in first["calls"]] == ["c1"]
    assert [one["last"]["text"] for one in second["calls"]] == ["w39"]  # forty changes, one row
    assert (third["calls"], third["gone"]) == ([], ["c1"])


def test_a_view_has_the_calls_of_its_tenant_only_and_of_one_call_only_that_one() -> None:
    board = Board()
    for name in ("acme/c1", "acme/c2", "globex/c1", "c1"):
        board.put(state_of(call_id=name))

    def seen(tenant: str, only: str | None = None) -> int:
        return len(told(View(board, tenant, only).changes())["calls"])

    assert [seen("acme"), seen("globex"), seen("")] == [2, 1, 1]
    assert seen("acme", "acme/c2") == 1
    assert View(board, "acme", "globex/c1").changes() is None


def test_a_snapshot_has_all_calls_with_their_newest_state() -> None:
    board = Board()
    view = View(board, "acme")
    board.put(state := state_of())
    view.changes()
    state.feed(entry_of(final("newest"), 2))

    snapshot = told(view.snapshot())

    assert snapshot["snapshot"] is True
    assert snapshot["n"] == 1
    assert snapshot["calls"][0]["last"]["text"] == "newest"
    assert told(view.changes())["n"] == 2


def test_an_ended_call_says_why() -> None:
    assert live_row(state_of(CallEnded("hangup", 8_000, 0, ()))).ended == "hangup"
