"""How many workers `up` starts."""

import pytest

from cli.commands.worker_count import WorkerCount, worker_count


@pytest.mark.parametrize(
    ("cores", "workers", "threads"),
    [(1, 1, 1), (2, 1, 2), (3, 1, 2), (4, 1, 3), (6, 2, 3), (9, 2, 4), (64, 2, 4)],
)
def test_an_engine_of_one_core_gets_the_cores_that_the_gateway_does_not_need(
    cores: int, workers: int, threads: int
) -> None:
    assert worker_count(cores, one_core=True) == WorkerCount(workers, threads)


def test_an_engine_that_uses_the_machine_otherwise_gets_one_worker() -> None:
    assert worker_count(64, one_core=False) == WorkerCount(1)
