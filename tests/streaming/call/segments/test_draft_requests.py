"""When a call requests drafts, and which of them may become finals.  No sockets, Redis or clock."""

from collections.abc import Iterator

import numpy as np
import pytest

from protocol.calls.call import CallConfig, Role
from protocol.events import LoadLevel, SegmentId, Span
from protocol.scheduling.jobs import decode_job
from streaming.audio.endpointing import Reason
from streaming.audio.sound_events import (
    SegmentClosed,
    SegmentGrew,
    SegmentOpened,
    SegmentPaused,
    VoiceSource,
)
from streaming.call.call import Call
from streaming.call.identity import CallIdentity
from streaming.call.ledger import Ledger, QueueDraft, QueueFinal, StoreAudio, Write

SEGMENT = SegmentId(0, 0)
SPAN = Span(0, 4_000)
HALF_A_SECOND = np.ones(4_000, dtype=np.int16)
PAUSED = SegmentPaused(0, SPAN, 4_000, 1_920)
CLOSED = SegmentClosed(0, SPAN, 4_000, Reason.PAUSE, padding=1_920)


class Clock:
    def __init__(self) -> None:
        self._seconds: Iterator[int] = iter(range(1, 1_000))

    def __call__(self) -> float:
        return float(next(self._seconds))


@pytest.fixture
def call() -> Call:
    """Half a second was spoken."""
    identity = CallIdentity("c1", "log-1", (Role.MIXED,), "native", 5.0)
    call = Call(identity, CallConfig(partials=False), Ledger(piece=64_000), 500, now=Clock())
    call.start()
    call.sound(0, SegmentOpened(0, 0))
    call.sound(0, SegmentGrew(0, HALF_A_SECOND))
    written(call)
    return call


def written(call: Call) -> list[Write]:
    writes = list(call.ledger.due())
    for write in writes:
        call.ledger.wrote(write)
    return writes


def final_in(writes: list[Write]) -> QueueFinal:
    (found,) = [write for write in writes if isinstance(write, QueueFinal)]
    return found


def draft_in(writes: list[Write]) -> QueueDraft:
    (found,) = [write for write in writes if isinstance(write, QueueDraft)]
    return found


def test_a_draft_is_queued_behind_its_audio(call: Call) -> None:
    call.sound(0, PAUSED)

    stored, draft = written(call)

    assert stored == StoreAudio(SEGMENT, 0, HALF_A_SECOND.tobytes())
    assert isinstance(draft, QueueDraft)
    assert draft.size == 8_000
    job = decode_job(draft.job)
    assert (job.start, job.end, job.padding) == (0, 4_000, 1_920)
    assert written(call) == []


def test_the_final_has_the_job_of_its_draft(call: Call) -> None:
    call.sound(0, PAUSED)
    draft = draft_in(written(call))

    call.sound(0, CLOSED)
    final = final_in(written(call))

    assert (final.job, final.drafted) == (draft.job, True)
    assert call.drafts.take_withdrawn() == 0


def test_a_segment_that_goes_on_withdraws_its_draft(call: Call) -> None:
    call.sound(0, PAUSED)
    draft = draft_in(written(call))

    call.sound(0, SegmentGrew(0, HALF_A_SECOND))
    call.sound(0, SegmentClosed(0, Span(0, 8_000), 8_000, Reason.PAUSE, padding=1_920))
    final = final_in(written(call))

    assert final.drafted is False
    assert final.job != draft.job
    assert decode_job(final.job).queued_at > decode_job(draft.job).queued_at
    assert call.drafts.take_withdrawn() == 1
    assert call.drafts.take_withdrawn() == 0


def test_new_keywords_make_another_job(call: Call) -> None:
    call.sound(0, PAUSED)
    written(call)

    call.change_keywords(("Ekwall",), ())
    call.sound(0, CLOSED)
    final = final_in(written(call))

    assert final.drafted is False
    assert decode_job(final.job).keywords == ("Ekwall",)
    assert call.drafts.take_withdrawn() == 1


def test_a_draft_that_was_not_written_in_time_is_not_written_any_more(call: Call) -> None:
    call.sound(0, PAUSED)
    call.sound(0, CLOSED)

    writes = written(call)

    assert not any(isinstance(write, QueueDraft) for write in writes)
    assert final_in(writes).drafted is False


def test_crosstalk_needs_no_draft(call: Call) -> None:
    call.sound(0, PAUSED)
    written(call)

    call.sound(0, SegmentClosed(0, SPAN, 4_000, Reason.PAUSE, VoiceSource.CROSSTALK, 1_920))

    assert not any(isinstance(write, QueueFinal) for write in written(call))
    assert call.drafts.take_withdrawn() == 1


def test_under_load_no_draft_is_requested(call: Call) -> None:
    call.set_load_level(LoadLevel.FEWER_PARTIALS)

    call.sound(0, PAUSED)

    assert not any(isinstance(write, QueueDraft) for write in written(call))


def test_a_redis_that_lost_its_data_has_no_draft(call: Call) -> None:
    call.sound(0, PAUSED)
    written(call)

    call.ledger.lost()
    call.sound(0, CLOSED)

    assert final_in(written(call)).drafted is False


def test_a_draft_whose_audio_redis_lacks_waits_for_it(call: Call) -> None:
    call.sound(0, PAUSED)
    list(call.ledger.due())

    call.ledger.missing(SEGMENT, 100)
    stored, draft = call.ledger.due()

    assert isinstance(stored, StoreAudio)
    assert stored.offset == 100
    assert isinstance(draft, QueueDraft)
