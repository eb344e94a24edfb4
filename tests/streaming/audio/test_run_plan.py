"""Channels with the same patience come to be processed in the same run, none later than it may."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from streaming.audio.run_plan import MOST_TOGETHER, RunPlan


def runs_of(
    patiences: list[int], starts: list[int], runs: int, *, spreads: bool = False
) -> list[list[int]]:
    """Return the runs of each channel; each has new audio right after the run before."""
    plan = RunPlan(spreads=spreads)
    due, found = list[int | None](None for _ in starts), [list[int]() for _ in starts]
    for run in range(runs):
        for place, (at, start) in enumerate(zip(due, starts, strict=True)):
            if at == run and run:
                found[place].append(run)
            if start == run or (at == run and run):
                due[place] = plan.choose(patiences[place])
        plan.advance()
    return found


def test_channels_that_begin_in_different_runs_come_together() -> None:
    found = runs_of([4] * 40, [place % 4 for place in range(40)], 60)

    assert {tuple(runs[-5:]) for runs in found} == {tuple(found[0][-5:])}


def test_many_channels_are_spread_over_runs() -> None:
    count = 4 * MOST_TOGETHER
    found = runs_of([4] * count, [place % 4 for place in range(count)], 100)

    last = Counter(run for runs in found for run in runs if 80 <= run < 90)
    assert max(last.values()) <= MOST_TOGETHER + count // 4


def test_channels_of_the_compiled_step_that_begin_together_are_spread() -> None:
    count = 120
    found = runs_of([4] * count, [0] * count, 200, spreads=True)

    loads = Counter(run for runs in found for run in runs if 100 <= run < 180)
    assert max(loads[run] for run in range(100, 180)) <= count / 4 + 20
    assert sum(loads.values()) <= 80 * count / 4 * 1.25


@given(
    st.lists(st.tuples(st.integers(1, 4), st.integers(0, 9)), min_size=1, max_size=30),
    st.booleans(),
)
def test_no_channel_waits_longer_than_it_may(
    channels: list[tuple[int, int]], spreads: bool
) -> None:
    patiences, starts = [one for one, _ in channels], [start for _, start in channels]
    found = runs_of(patiences, starts, 60, spreads=spreads)
    for runs, patience, start in zip(found, patiences, starts, strict=True):
        steps = [after - before for before, after in zip([start, *runs], runs, strict=False)]
        assert all(1 <= step <= patience for step in steps)
        assert runs
