"""The scheduler: which segments run next."""

from dataclasses import replace

import pytest

from workers.engines.base import Effort
from workers.scheduler import BatchLimits, Plan, Running, Waiting, plan

LIMITS = BatchLimits(max_batch=3, max_padded_seconds=20.0, stale=1.0)


def waiting(entry: str, **changes: object) -> Waiting:
    """A final of 2 s, or a partial when the name begins with p."""
    effort = Effort.PARTIAL if entry.startswith("p") else Effort.FINAL
    values: dict[str, object] = {"seconds": 2.0, "queued_at": 10.0, "claimed_at": 10.0}
    return Waiting(entry, effort, **(values | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("job_stream", "expected"),
    [
        ([], Plan()),
        ([waiting("p1"), waiting("f1")], Plan(("f1",))),  # a final never waits for a partial
        ([waiting("p1"), waiting("p2")], Plan(("p1", "p2"))),
        ([waiting("f2", queued_at=9.0), waiting("f1", queued_at=8.0)], Plan(("f1", "f2"))),
        ([waiting(f"f{n}") for n in range(5)], Plan(("f0", "f1", "f2"))),  # no more than the batch
        (
            [waiting("f1"), waiting("f2", seconds=12.0)],
            Plan(("f1",)),
        ),  # padding to 12 s costs too much
        ([waiting("f1", seconds=30.0)], Plan(("f1",))),  # too long alone: still has to be run
        ([waiting("f1", alone=True), waiting("f2")], Plan(("f1",))),  # it may be poison
        ([waiting("f1"), waiting("f2", alone=True)], Plan(("f1",))),
    ],
)
def test_the_next_batch(job_stream: list[Waiting], expected: Plan) -> None:
    assert plan(job_stream, LIMITS, now=10.5) == expected


def test_a_partial_that_waited_too_long_is_dropped() -> None:
    job_stream = [waiting("p1", claimed_at=8.0), waiting("p2", claimed_at=10.0)]

    chosen = plan(job_stream, LIMITS, now=10.5)

    assert chosen == Plan(run=("p2",), drop=("p1",))


def test_a_final_is_never_dropped() -> None:
    chosen = plan([waiting("f1", claimed_at=0.0, queued_at=0.0)], LIMITS, now=1_000.0)

    assert chosen == Plan(run=("f1",))


@pytest.mark.parametrize(
    ("job_stream", "running", "expected"),
    [
        ([waiting("f1"), waiting("f2")], Running(2), ("f1",)),  # as far as there is room
        ([waiting("f1"), waiting("p1")], Running(1), ("f1",)),
        ([waiting("f1"), waiting("p1")], Running(3), ("p1",)),  # partials displace no final
        (
            [waiting("p1"), waiting("p2")],
            Running(1),
            ("p1",),
        ),  # a few, so that no partial waits long
        ([waiting("f1", alone=True), waiting("f2")], Running(1), ()),
        ([waiting("f1", alone=True), waiting("f2")], Running(0), ("f1",)),
        ([waiting("f1"), waiting("p1")], Running(1, alone=True), ()),
    ],
)
def test_which_jobs_join_the_running_ones(
    job_stream: list[Waiting], running: Running, expected: tuple[str, ...]
) -> None:
    assert plan(job_stream, LIMITS, now=10.5, running=running).run == expected


ONE_BY_ONE = replace(LIMITS, max_batch=1, one_by_one=True)


@pytest.mark.parametrize(
    ("job_stream", "running", "expected"),
    [
        (["f1", "f2", "f3"], Running(), ("f1", "f2")),  # one in work, one prepared
        (["f1", "f2"], Running(finals=1), ("f1",)),
        (["f1"], Running(finals=2), ()),
        (["p1"], Running(finals=1), ()),  # it would only wait in the engine, with old audio
        (["p1", "p2", "p3"], Running(), ("p1", "p2")),
        (["p1", "p2"], Running(partials=1), ("p1",)),
        (["f1"], Running(partials=2), ("f1",)),  # partials keep no final waiting
    ],
)
def test_an_engine_that_works_one_by_one_gets_one_segment_more_than_it_works_on(
    job_stream: list[str], running: Running, expected: tuple[str, ...]
) -> None:
    chosen = plan([waiting(entry) for entry in job_stream], ONE_BY_ONE, 10.5, running)

    assert chosen == Plan(expected)
