"""Decisions of a call: which events it writes, and when it ends. No sockets, Redis or clock."""

from dataclasses import replace

import numpy as np
import pytest
from support.entries import event_of

from protocol.calls.call import CallConfig, Keywords, Role
from protocol.events import (
    CallEnded,
    CallWarning,
    ChannelTotals,
    Final,
    KeywordsApplied,
    LoggedEvent,
    MarkReached,
    Partial,
    SegmentFailed,
    SegmentId,
    Span,
    Timing,
    Word,
)
from protocol.events.event_codec import entry_of
from protocol.scheduling.jobs import Job, decode_job
from streaming.audio.endpointing import Reason
from streaming.audio.sound_events import SegmentClosed, SegmentGrew, SegmentOpened
from streaming.call.call import Call
from streaming.call.identity import CallIdentity
from streaming.call.ledger import Ledger, LogEvent, QueueFinal, StoreAudio
from streaming.call.marks import MOST_WAITING
from streaming.call.phase import Phase

ONE = SegmentId(0, 0)
HALF_A_SECOND = np.ones(4_000, dtype=np.int16)
"""Of the call clock: as many ms as `partial_every_ms`."""


def call(**config: object) -> Call:
    identity = CallIdentity("c1", "log-1", (Role.AGENT, Role.CUSTOMER), "native", 5.0)
    return Call(identity, CallConfig(**config), Ledger(piece=1), 500, now=lambda: 7.0)  # type: ignore[arg-type]


class Redis:
    """Executes every write at once, and remembers the events and jobs."""

    def __init__(self, subject: Call) -> None:
        self.subject = subject
        self.events: list[LoggedEvent] = []
        self.finals: list[Job] = []
        self.partials: list[Job] = []

    def write(self) -> None:
        for write in list(self.subject.ledger.due()):
            match write:
                case LogEvent(_, payload):
                    event = event_of(payload)
                    assert not isinstance(event, Partial)
                    self.events.append(event)
                case StoreAudio(partial=job) if job:
                    self.partials.append(decode_job(job))
                case QueueFinal(_, job):
                    self.finals.append(decode_job(job))
                case _:
                    pass
            self.subject.ledger.wrote(write)

    def notify(self, event: LoggedEvent) -> None:
        self.subject.apply(entry_of(event, 1))
        self.write()

    def of(self, kind: type) -> list[LoggedEvent]:
        return [event for event in self.events if isinstance(event, kind)]


def final(segment: SegmentId) -> Final:
    return Final(segment, Span(0, 4_000), (), "en", 0, (), "e", Timing(0, 0))


def speak(subject: Call, segment: SegmentId = ONE, *, speaking: bool = True) -> None:
    subject.sound(segment.channel, SegmentOpened(segment.number, 0))
    subject.sound(segment.channel, SegmentGrew(segment.number, HALF_A_SECOND, speaking))


def close(subject: Call, segment: SegmentId = ONE) -> None:
    subject.sound(
        segment.channel, SegmentClosed(segment.number, Span(0, 4_000), 4_000, Reason.PAUSE)
    )


def test_a_closed_segment_is_queued_with_all_that_the_engine_must_know() -> None:
    subject = call(language="fr", translate_to="en", keywords=Keywords(("Acme",), 3))
    redis = Redis(subject)

    speak(subject)
    close(subject)
    redis.write()

    assert redis.finals == [
        Job("c1", "log-1", ONE, 0, 7.0, "fr", "en", ("Acme",), 3, end=4_000, rate=8_000)
    ]


def test_the_segments_after_a_request_to_spell_are_marked() -> None:
    subject = call()
    redis = Redis(subject)
    speak(subject)
    close(subject)
    redis.write()

    asked = replace(final(ONE), words=(Word("Spell"), Word("that,"), Word("please.")))
    redis.notify(asked)
    speak(subject, SegmentId(1, 0))
    close(subject, SegmentId(1, 0))
    redis.write()

    assert [job.spelling for job in redis.finals] == [False, True]


def test_an_open_segment_is_looked_at_every_so_often() -> None:
    subject = call()
    redis = Redis(subject)
    speak(subject)
    redis.write()

    subject.apply(entry_of(Partial(ONE, Span(0, 4_000), 1, (), 0), None))
    subject.sound(0, SegmentGrew(0, HALF_A_SECOND))
    redis.write()

    assert [(job.segment, job.end) for job in redis.partials] == [(ONE, None), (ONE, None)]


def test_where_answers_are_slow_it_is_looked_at_less_often() -> None:
    subject = call()
    redis = Redis(subject)
    speak(subject)

    for _ in range(4):
        subject.sound(0, SegmentGrew(0, HALF_A_SECOND))
        redis.write()

    assert (
        len(redis.partials) == 2
    )  # the first, and one more after four intervals without an answer


def test_a_pause_is_not_looked_at_for_it_may_be_the_end() -> None:
    subject = call()
    redis = Redis(subject)

    speak(subject, speaking=False)
    redis.write()

    assert redis.partials == []


def test_partials_are_sent_only_if_requested() -> None:
    subject = call(partials=False)
    redis = Redis(subject)

    speak(subject)
    redis.write()

    assert redis.partials == []


def test_the_call_ends_when_its_last_segment_has_ended() -> None:
    subject = call()
    redis = Redis(subject)
    totals = [ChannelTotals(4_000, 100), ChannelTotals(silence=4_100)]
    speak(subject)
    close(subject)
    redis.write()

    subject.end("completed", totals, 4_100)
    redis.write()
    before = redis.of(CallEnded)
    redis.notify(final(ONE))
    ended = redis.of(CallEnded)
    redis.notify(CallEnded("completed", 4_100, 1, tuple(totals)))

    assert before == []
    assert ended == [CallEnded("completed", 4_100, segments=1, channels=tuple(totals))]
    assert subject.phase is Phase.OVER


def test_a_failed_segment_ends_as_well_as_a_final() -> None:
    subject = call()
    redis = Redis(subject)
    speak(subject)
    close(subject)
    subject.end("hangup", [], 4_000)

    redis.notify(SegmentFailed(ONE, Span(0, 4_000), "broken"))

    assert len(redis.of(CallEnded)) == 1


def test_hanging_up_twice_ends_the_call_once_for_the_first_reason() -> None:
    subject = call()
    redis = Redis(subject)

    subject.end("completed", [], 0)
    subject.end("hangup", [], 0)
    redis.write()

    assert [event.reason for event in redis.of(CallEnded) if isinstance(event, CallEnded)] == [
        "completed"
    ]


def test_marks_are_answered_in_their_order_behind_what_they_wait_for() -> None:
    subject = call()
    redis = Redis(subject)
    subject.mark("nothing to wait for")
    speak(subject)
    subject.mark("behind the first")
    speak(subject, SegmentId(1, 0))
    subject.mark("behind both")
    redis.write()

    redis.notify(final(SegmentId(1, 0)))
    one_settled = [event.name for event in redis.of(MarkReached) if isinstance(event, MarkReached)]
    redis.notify(final(ONE))
    both_settled = [event.name for event in redis.of(MarkReached) if isinstance(event, MarkReached)]

    assert one_settled == ["nothing to wait for"]
    assert both_settled == ["nothing to wait for", "behind the first", "behind both"]


def test_the_same_mark_twice_is_answered_twice() -> None:
    subject = call()
    redis = Redis(subject)

    for _ in range(2):
        subject.mark("m")
    redis.write()

    assert redis.of(MarkReached) == [MarkReached("m"), MarkReached("m")]


def test_marks_that_wait_are_bounded_and_the_bridge_is_told_once() -> None:
    subject = call()
    redis = Redis(subject)
    speak(subject)
    for number in range(MOST_WAITING + 3):
        subject.mark(str(number))
    redis.write()
    redis.notify(final(ONE))

    answered = [event.name for event in redis.of(MarkReached) if isinstance(event, MarkReached)]
    assert answered == [str(number) for number in range(MOST_WAITING)]
    assert len(redis.of(CallWarning)) == 1


def test_new_keywords_are_acknowledged_under_a_new_revision() -> None:
    subject = call(keywords=Keywords(("Acme",)))
    redis = Redis(subject)
    subject.start(rejected_keywords=("<|x|>: no",))

    subject.change_keywords(("Orvanta",), ())
    redis.write()

    assert redis.of(KeywordsApplied) == [
        KeywordsApplied(0, ("Acme",), ("<|x|>: no",)),
        KeywordsApplied(1, ("Orvanta",), ()),
    ]


@pytest.mark.parametrize("lost_after", range(4))
def test_events_known_before_a_loss_are_restored_to_redis(lost_after: int) -> None:
    subject = call()
    redis = Redis(subject)
    subject.start()
    speak(subject)
    close(subject)
    redis.write()
    came_back = list(redis.events)[:lost_after]
    for event in came_back:
        subject.apply(entry_of(event, 1))

    subject.ledger.lost()
    again = Redis(subject)
    again.write()

    known = [event_of(event.payload) for event in subject.ledger.known]
    assert [*known, *again.events] == redis.events
    assert again.finals == redis.finals


def test_segments_after_a_change_of_language_use_the_new_language() -> None:
    subject = call(language="en")
    redis = Redis(subject)
    speak(subject)
    close(subject)

    subject.change_language("fr")
    speak(subject, SegmentId(0, 1))
    close(subject, SegmentId(0, 1))
    redis.write()

    assert [job.language for job in redis.finals] == ["en", "fr"]
