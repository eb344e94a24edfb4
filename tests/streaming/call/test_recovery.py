"""A call taken over from another gateway: the recovered state, and no repeated events."""

from dataclasses import astuple, replace

import msgspec
import pytest
from support.entries import event_of

from protocol.calls.call import CallConfig, Keywords, Role
from protocol.events import (
    Account,
    AudioGap,
    CallEnded,
    CallStarted,
    ChannelTotals,
    Fault,
    Final,
    KeywordsApplied,
    LineWarning,
    LoggedEvent,
    MarkReached,
    SegmentDropped,
    SegmentId,
    Span,
    SpeechStarted,
    Timing,
    Word,
)
from protocol.events.event_codec import entry_of
from streaming.audio.quality.monitor import QualityMonitor
from streaming.call.call import Call
from streaming.call.checkpoint import Checkpoint, decode_checkpoint, encode_checkpoint, hashed
from streaming.call.identity import CallIdentity
from streaming.call.ledger import GiveUp, Ledger, LogEvent, QueueFinal
from streaming.call.recovery import RecoveredCall, UnsettledSegment, unended

FIRST, SECOND, THIRD = (SegmentId(0, number) for number in range(3))
CHECKPOINT = Checkpoint(
    (Role.MIXED,), "native", 100.0, CallConfig(keywords=Keywords(("Acme",))), (40_000,)
)


def final(segment: SegmentId, span: Span) -> Final:
    return Final(segment, span, (Word("hello"),), "en", 0, (), "engine", Timing(0, 0))


LOG: tuple[LoggedEvent, ...] = (
    CallStarted((Role.MIXED,), "en", "native", 100.0),
    KeywordsApplied(0, ("Acme",), ()),
    SpeechStarted(FIRST, 8_000),
    final(FIRST, Span(8_000, 16_000)),
    MarkReached("m1"),
    AudioGap(0, Span(20_000, 24_000), "lost upstream"),
    KeywordsApplied(1, ("Acme", "Orvanta"), ()),
    SpeechStarted(SECOND, 26_000),
    SpeechStarted(THIRD, 36_000),
)


def recovered(*unsettled_segments: UnsettledSegment) -> RecoveredCall:
    entries = tuple(entry_of(event, seq) for seq, event in enumerate(LOG, 1))
    return RecoveredCall("log-a", CHECKPOINT, entries, unsettled_segments)


def recalled(it: RecoveredCall) -> Call:
    identity = CallIdentity("c1", it.log, (Role.MIXED,), "native", 100.0)
    call = Call(identity, it.config, Ledger(100), 500, lambda: 0.0)
    call.recall(it)
    return call


def test_segments_without_an_end_are_found_with_their_beginning() -> None:
    assert unended(recovered().entries) == {SECOND: 26_000, THIRD: 36_000}


def test_the_account_of_what_is_known_adds_up() -> None:
    it = recovered(
        UnsettledSegment(SECOND, Span(26_000, 34_000), b"x", job=b"job"),
        UnsettledSegment(THIRD, Span(36_000, 37_000), b"y"),
    )

    assert it.heard(0) == 40_000
    assert it.totals(0) == ChannelTotals(transcribed=17_000, silence=19_000, lost_upstream=4_000)
    assert it.opened(0) == 3


def test_what_was_dropped_is_not_accounted_as_transcribed() -> None:
    log = (*LOG, SegmentDropped(SECOND, Span(26_000, 34_000), "wrong law"))
    it = RecoveredCall(
        "log-a", CHECKPOINT, tuple(entry_of(event, seq) for seq, event in enumerate(log, 1))
    )

    assert it.totals(0) == ChannelTotals(
        transcribed=8_000, silence=20_000, lost_upstream=4_000, shed=8_000
    )


def test_marks_that_were_answered_are_not_waited_for() -> None:
    it = replace(recovered(), checkpoint=replace(CHECKPOINT, marks=("m1", "m2")))

    assert it.unanswered == ("m2",)


def test_a_warning_of_the_log_is_not_given_again_at_once() -> None:
    def losses(quality_monitor: QualityMonitor) -> list[Fault]:
        spans = [Span(at, at + 2_000) for at in range(800_000, 812_000, 4_000)]
        return [one.fault for span in spans for one in quality_monitor.lose(0, span)]

    continued = QualityMonitor(1)
    continued.recall([LineWarning(0, Fault.PACKET_LOSS, "", 9.0, "%", 20_000)], [800_000])

    assert losses(QualityMonitor(1)) == [Fault.PACKET_LOSS]
    assert losses(continued) == []


def test_the_last_keywords_of_the_log_go_on() -> None:
    assert recovered().config.keywords == Keywords(("Acme", "Orvanta"), 1)


def test_what_is_queued_is_waited_for_and_what_is_not_is_queued_now() -> None:
    call = recalled(
        recovered(
            UnsettledSegment(SECOND, Span(26_000, 34_000), b"queued", job=b"job"),
            UnsettledSegment(THIRD, Span(36_000, 37_000), b"open"),
        )
    )

    due = list(call.ledger.due())

    assert [(type(write), write.segment) for write in due if not isinstance(write, LogEvent)] == [
        (QueueFinal, THIRD)
    ]
    assert call.ledger.unsettled == {SECOND, THIRD}


def test_a_segment_whose_audio_is_gone_is_given_up_unless_its_end_only_waits_for_its_turn() -> None:
    call = recalled(
        recovered(
            UnsettledSegment(SECOND, Span(26_000, 34_000), settled=True),
            UnsettledSegment(THIRD, Span(36_000, 36_000)),
        )
    )

    given_up = [write.segment for write in call.ledger.due() if isinstance(write, GiveUp)]

    assert given_up == [THIRD]


WAITING = (
    UnsettledSegment(SECOND, Span(26_000, 26_000)),
    UnsettledSegment(THIRD, Span(36_000, 36_000)),
)


@pytest.mark.parametrize(
    ("told", "waiting", "heard", "dropped"),
    [
        (25_000, WAITING, 25_000, [Span(25_000, 25_000)] * 2),
        (30_000, WAITING, 30_000, [Span(26_000, 26_000), Span(30_000, 30_000)]),
        (
            25_000,
            (replace(WAITING[0], span=Span(26_000, 34_000), audio=b"x"), WAITING[1]),
            34_000,
            [Span(34_000, 34_000)],
        ),
        (
            25_000,
            (WAITING[0], replace(WAITING[1], span=Span(36_000, 39_000), settled=True)),
            39_000,
            [Span(26_000, 26_000)],
        ),
        (
            30_000,
            (replace(WAITING[0], span=Span(26_000, 34_000), job=b"job"), WAITING[1]),
            30_000,
            [Span(26_000, 30_000), Span(30_000, 30_000)],
        ),
    ],
)
def test_a_bridge_sends_again_from_the_first_segment_that_redis_has_no_audio_of(
    told: int, waiting: tuple[UnsettledSegment, ...], heard: int, dropped: list[Span]
) -> None:
    it = replace(recovered(*waiting), checkpoint=replace(CHECKPOINT, heard=(told,)))

    drops = [
        event_of(write.payload) for write in recalled(it).ledger.due() if isinstance(write, GiveUp)
    ]

    assert it.heard(0) == heard
    assert [one.span for one in drops if isinstance(one, SegmentDropped)] == dropped
    assert sum(astuple(it.totals(0))) == heard


def test_events_of_the_past_are_not_logged_again_and_numbers_go_on() -> None:
    call = recalled(recovered())

    call.mark("m2")
    call.apply(entry_of(LOG[3], 4))

    assert [event.name for event in call.ledger.known] == [
        "started",
        "keywords:0",
        "speech:0-0",
        "0-0",
        "mark:0",
        "gap:0:20000",
        "keywords:1",
        "speech:0-1",
        "speech:0-2",
    ]
    assert [write.name for write in call.ledger.due() if isinstance(write, LogEvent)] == ["mark:1"]


def test_a_call_whose_gateway_died_before_its_first_word_begins_with_it() -> None:
    call = recalled(RecoveredCall("log-a", CHECKPOINT, ()))

    names = [write.name for write in call.ledger.due() if isinstance(write, LogEvent)]

    assert names == ["started", "keywords:0"]


def test_a_checkpoint_survives_redis_and_keeps_its_token_to_itself() -> None:
    told = Checkpoint((Role.AGENT,), "twilio", 1.5, CallConfig(), (7,), hashed("secret"))

    back = decode_checkpoint(encode_checkpoint(told))

    assert back == told
    assert back.opens_for("secret")
    assert not back.opens_for("guess")
    assert not CHECKPOINT.opens_for("")
    assert b"secret" not in encode_checkpoint(told)
    assert decode_checkpoint(b"\x92\x09\xc0") is None


@pytest.mark.parametrize(
    ("missing", "value"), [("rejected_keywords", ()), ("marks", ()), ("token", b"")]
)
def test_a_checkpoint_of_an_older_gateway_is_read_with_defaults(
    missing: str, value: object
) -> None:
    version, fields = msgspec.msgpack.decode(encode_checkpoint(CHECKPOINT))
    del fields[missing]

    back = decode_checkpoint(msgspec.msgpack.encode((version, fields | {"of_tomorrow": 1})))

    assert back is not None
    assert getattr(back, missing) == value
    assert back.config == CHECKPOINT.config


def test_each_of_two_channels_has_its_own_account() -> None:
    other = SegmentId(1, 0)
    events: tuple[LoggedEvent, ...] = (
        CallStarted((Role.AGENT, Role.CUSTOMER), "en", "native", 100.0),
        SpeechStarted(FIRST, 1_000),
        final(FIRST, Span(1_000, 3_000)),
        AudioGap(0, Span(4_000, 4_500), "lost upstream"),
        SegmentDropped(SECOND, Span(5_000, 5_100), "overload"),
        SpeechStarted(other, 2_000),
        final(other, Span(2_000, 9_000)),
        AudioGap(1, Span(9_500, 9_600), "paused", Account.PAUSED),
        SegmentDropped(SegmentId(1, 1), Span(9_700, 9_701), "overload"),
        SpeechStarted(THIRD, 6_000),
    )
    it = RecoveredCall(
        "log-a",
        replace(CHECKPOINT, roles=(Role.AGENT, Role.CUSTOMER), heard=(8_000, 9_000)),
        tuple(entry_of(event, seq) for seq, event in enumerate(events, 1)),
        (
            UnsettledSegment(THIRD, Span(6_000, 8_500), b"x"),
            UnsettledSegment(SegmentId(1, 2), Span(9_800, 9_900), b"y"),
        ),
    )

    assert [it.opened(channel) for channel in (0, 1)] == [3, 2]
    assert [it.heard(channel) for channel in (0, 1)] == [8_500, 9_900]
    assert it.totals(0) == ChannelTotals(
        transcribed=4_500, silence=3_400, lost_upstream=500, shed=100
    )
    assert it.totals(1) == ChannelTotals(transcribed=7_100, silence=2_699, paused=100, shed=1)


@pytest.mark.parametrize("has_ended", [False, True])
def test_a_call_has_ended_if_its_log_says_so(*, has_ended: bool) -> None:
    ended = CallEnded("completed", 8_000, 3, (ChannelTotals(silence=8_000),))
    it = recovered()
    it = replace(it, entries=(*it.entries, *[entry_of(ended, len(LOG) + 1)] * has_ended))

    assert it.has_ended is has_ended
    assert not replace(it, entries=()).has_ended
