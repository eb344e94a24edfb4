"""How many workers `up` starts."""

import pytest

from cli.commands.worker_count import worker_count


@pytest.mark.parametrize(("cores", "workers"), [(1, 1), (2, 2), (3, 2), (4, 3), (9, 8), (64, 8)])
def test_an_engine_of_one_core_gets_the_cores_that_the_gateway_does_not_need(
    cores: int, workers: int
) -> None:
    assert worker_count(cores, one_core=True) == workers


def test_an_engine_that_uses_the_machine_otherwise_gets_one_worker() -> None:
    assert worker_count(64, one_core=False) == 1
