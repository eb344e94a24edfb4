"""The jobs that a worker has in flight."""

from dataclasses import replace

import pytest

from broker.redis_keys import Partition
from protocol.events import SegmentId
from protocol.scheduling.jobs import Job
from workers.engines.base import Effort
from workers.inflight import InflightJobs, Selection
from workers.job_queue import ClaimedJob
from workers.scheduler import BatchLimits

LIMITS = BatchLimits(max_batch=2, max_padded_seconds=240.0, stale=1.0)


def final(number: int, deliveries: int = 1) -> ClaimedJob:
    job = Job("c", "log", SegmentId(0, number), 0, float(number), "en", end=16_000)
    return ClaimedJob(f"{number}-0", Partition(0), Effort.FINAL, job, deliveries)


def partial(number: int) -> ClaimedJob:
    return replace(final(number), effort=Effort.PARTIAL)


@pytest.fixture
def joining() -> InflightJobs:
    return InflightJobs(LIMITS, joins=True)


@pytest.fixture
def batching() -> InflightJobs:
    return InflightJobs(LIMITS, joins=False)


def test_two_batches_may_wait_and_no_more(joining: InflightJobs) -> None:
    joining.take([final(number) for number in range(4)], now=0.0)
    full = joining.has_room.is_set()

    joining.choose(now=0.0)

    assert (full, joining.has_room.is_set(), joining.room) == (False, True, 2)


def test_the_order_of_jobs_does_not_follow_the_clocks_of_gateways(joining: InflightJobs) -> None:
    early, late = final(1), final(2)
    clock_ahead = replace(early, job=replace(early.job, queued_at=3_600.0))

    joining.take([late, clock_ahead], now=0.0)

    assert joining.choose(now=0.0).run == (clock_ahead, late)


def test_a_job_in_progress_is_not_taken_twice(joining: InflightJobs) -> None:
    joining.take([final(0)], now=0.0)
    joining.choose(now=0.0)
    joining.take([final(0)], now=0.0)
    joining.answer(final(0))
    joining.take([final(0)], now=0.0)

    assert joining.waiting == []
    assert joining.begun == [final(0)]


def test_a_batch_is_chosen_when_the_one_before_is_answered(batching: InflightJobs) -> None:
    batching.take([final(number) for number in range(3)], now=0.0)

    first, too_early = batching.choose(now=0.0), batching.choose(now=0.0)
    for one in first.run:
        batching.answer(one)
    second = batching.choose(now=0.0)

    assert first.run == (final(0), final(1))
    assert too_early == Selection()
    assert second.run == (final(2),)


def test_others_join_as_far_as_there_is_room(joining: InflightJobs) -> None:
    joining.take([final(0)], now=0.0)
    joining.choose(now=0.0)
    joining.take([final(1), final(2)], now=0.0)

    assert joining.choose(now=0.0).run == (final(1),)


def test_no_job_joins_one_that_must_run_alone(joining: InflightJobs) -> None:
    joining.take([final(0, deliveries=2)], now=0.0)
    joining.choose(now=0.0)
    joining.take([final(1), partial(2)], now=0.0)

    assert joining.choose(now=0.0) == Selection()


def test_what_was_put_back_is_chosen_again(joining: InflightJobs) -> None:
    joining.take([final(0)], now=0.0)
    chosen = joining.choose(now=0.0)

    joining.put_back(chosen.run)

    assert joining.waiting == [final(0)]
    assert joining.has_news[0].is_set()
    assert joining.choose(now=0.0) == chosen


def test_a_partial_that_came_too_late_is_no_longer_in_progress(joining: InflightJobs) -> None:
    joining.take([partial(0)], now=0.0)

    chosen = joining.choose(now=2.0)

    assert chosen == Selection(stale=(partial(0),))
    assert joining.waiting == joining.begun == []


def test_what_is_finished_is_gone_wherever_it_was(joining: InflightJobs) -> None:
    jobs = [final(number) for number in range(3)]
    joining.take(jobs, now=0.0)
    joining.choose(now=0.0)
    joining.answer(final(0))

    for one in jobs:
        joining.finish(one)

    assert joining.waiting == joining.begun == []


def test_a_recording_comes_behind_every_live_final_however_long_it_waits(
    joining: InflightJobs,
) -> None:
    recorded = replace(final(0), recorded=True)
    joining.take([recorded, final(1), final(2)], now=0.0)

    assert joining.choose(now=0.0).run == (final(1), final(2))


@pytest.fixture
def one_by_one() -> InflightJobs:
    return InflightJobs(replace(LIMITS, max_batch=1, one_by_one=True), joins=True)


def test_no_more_finals_are_claimed_than_the_engine_gets_next(one_by_one: InflightJobs) -> None:
    """The others wait where another worker can claim them."""
    one_by_one.take([final(1), final(2)], now=0.0)
    one_by_one.choose(now=0.0)
    full = one_by_one.has_room.is_set()

    one_by_one.answer(final(1))

    assert (full, one_by_one.has_room.is_set(), one_by_one.room) == (False, True, 1)


def test_partials_that_were_claimed_leave_room_for_finals(one_by_one: InflightJobs) -> None:
    one_by_one.take([partial(1)], now=0.0)
    more = one_by_one.takes_partials
    one_by_one.take([partial(2)], now=0.0)

    assert (more, one_by_one.takes_partials, one_by_one.room) == (True, False, 2)


def test_a_final_is_chosen_while_partials_are_in_work(one_by_one: InflightJobs) -> None:
    one_by_one.take([partial(1), partial(2)], now=0.0)
    one_by_one.choose(now=0.0)

    one_by_one.take([final(3)], now=0.0)

    assert one_by_one.choose(now=0.0).run == (final(3),)


def draft(number: int, entry: str = "") -> ClaimedJob:
    return replace(final(number), effort=Effort.DRAFT, entry=entry or f"{number}-0")


@pytest.fixture
def two_threads() -> InflightJobs:
    limits = replace(LIMITS, max_batch=1, one_by_one=True)
    return InflightJobs(limits, joins=True, threads=2)


def test_a_thread_leaves_a_second_job_to_one_that_has_nothing_to_do(
    two_threads: InflightJobs,
) -> None:
    two_threads.take([final(1)], now=0.0)
    first = two_threads.choose(now=0.0, thread=0)
    two_threads.take([final(2), final(3)], now=0.0)

    busy, idle = two_threads.choose(now=0.0, thread=0), two_threads.choose(now=0.0, thread=1)

    assert first.run == (final(1),)
    assert busy == Selection()
    assert idle.run == (final(2), final(3))


def test_threads_that_have_nothing_to_do_share_the_jobs(two_threads: InflightJobs) -> None:
    two_threads.take([final(1), final(2)], now=0.0)

    one, other = two_threads.choose(now=0.0, thread=0), two_threads.choose(now=0.0, thread=1)

    assert (one.run, other.run) == ((final(1),), (final(2),))


def test_a_busy_thread_is_told_when_the_other_has_something_to_do(
    two_threads: InflightJobs,
) -> None:
    two_threads.take([final(1)], now=0.0)
    two_threads.choose(now=0.0, thread=0)
    two_threads.choose(now=0.0, thread=0)

    two_threads.take([partial(2), final(3)], now=0.0)
    two_threads.has_news[0].clear()
    idle = two_threads.choose(now=0.0, thread=1)

    assert idle.run == (final(3),)
    assert two_threads.has_news[0].is_set()


def test_a_final_goes_to_the_thread_that_has_its_draft(two_threads: InflightJobs) -> None:
    two_threads.take([draft(1)], now=0.0)
    two_threads.choose(now=0.0, thread=0)
    two_threads.take([final(1)], now=0.0)

    other, own = two_threads.choose(now=0.0, thread=1), two_threads.choose(now=0.0, thread=0)

    assert other == Selection()
    assert own.run == (final(1),)


def test_a_partial_that_is_older_than_a_draft_of_its_segment_is_dropped(
    one_by_one: InflightJobs,
) -> None:
    """A newer one says that speech goes on."""
    one_by_one.take([draft(1, "5000-0")], now=0.0)
    one_by_one.choose(now=0.0)
    older, newer = (replace(partial(1), entry=entry) for entry in ("4000-0", "6000-0"))
    one_by_one.take([older, newer], now=0.0)

    chosen = one_by_one.choose(now=0.0)

    assert one_by_one.choose(now=0.0) == Selection()
    assert (older in chosen.stale, newer in chosen.stale) == (True, False)


def test_a_final_that_must_run_alone_waits_for_the_other_threads(
    two_threads: InflightJobs,
) -> None:
    two_threads.take([final(1)], now=0.0)
    two_threads.choose(now=0.0, thread=0)
    suspect = final(2, deliveries=2)
    two_threads.take([suspect, final(3)], now=0.0)

    beside = two_threads.choose(now=0.0, thread=1)
    two_threads.answer(final(1))
    alone = two_threads.choose(now=0.0, thread=1)
    beside_it = two_threads.choose(now=0.0, thread=0)

    assert beside == Selection()
    assert alone.run == (suspect,)
    assert beside_it == Selection()
