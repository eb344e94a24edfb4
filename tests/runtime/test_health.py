import pytest

from runtime.health import Health, answer


def said(path: str, health: Health) -> tuple[int, str]:
    answered = answer(path, health, lambda: "metrics")
    return int(answered.status), answered.text.strip()


def at_work(obstacle: str | None = None) -> Health:
    health = Health()
    health.redis(answers=True)
    health.at_work(lambda: obstacle)
    return health


def test_a_process_without_redis_is_alive_and_not_to_be_killed() -> None:
    health = at_work()

    health.redis(answers=False)

    assert said("/livez", health) == (200, "alive")
    assert said("/readyz", health) == (503, "Redis does not answer")


def test_started_stays_true_when_redis_goes_away() -> None:
    health = at_work()

    health.redis(answers=False)

    assert said("/startupz", health) == (200, "started")


@pytest.mark.parametrize("reached", [True, False])
def test_a_process_that_loads_its_model_is_neither_started_nor_ready(reached: bool) -> None:
    health = Health()

    health.redis(answers=reached)

    assert said("/startupz", health) == (503, "starting")
    assert said("/readyz", health) == (503, "starting")


def test_a_part_that_never_saw_redis_has_not_started() -> None:
    health = Health()

    health.at_work()

    assert said("/startupz", health) == (503, "starting")


def test_a_part_says_itself_what_keeps_it_from_taking_work() -> None:
    health = at_work("draining")

    assert said("/readyz", health) == (503, "draining")


def test_ready_again_when_redis_is_back() -> None:
    health = at_work()
    health.redis(answers=False)

    health.redis(answers=True)

    assert said("/readyz", health) == (200, "ready")


def test_unknown_paths_list_the_known_paths() -> None:
    status, text = said("/healthz", at_work())

    assert status == 404
    assert "/readyz" in text
