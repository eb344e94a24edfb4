"""Whether a process is alive, has started and is ready, as orchestrators ask it: decisions only."""

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

FIGURES = "text/plain; version=1.0.0; charset=utf-8"
WORDS = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Answer:
    """What is said to one question."""

    status: HTTPStatus
    text: str
    kind: str = WORDS
    """The content type."""


class Health:
    """
    How one process stands.

    It has started once Redis was reached and its part is at work; it is ready while Redis answers and the part
    itself sees no obstacle.
    """

    def __init__(self) -> None:
        self.redis_answers = False
        self._redis_was_reached = False
        self._obstacle: Callable[[], str | None] | None = None

    def redis(self, *, answers: bool) -> None:
        """The last beat of Redis."""
        self.redis_answers = answers
        self._redis_was_reached |= answers

    def at_work(self, obstacle: Callable[[], str | None] = lambda: None) -> None:
        """The part has begun; from now on `obstacle` says what keeps it from taking work, or None."""
        self._obstacle = obstacle

    @property
    def started(self) -> bool:
        """Stays true once it is."""
        return self._redis_was_reached and self._obstacle is not None

    @property
    def obstacle(self) -> str | None:
        """What keeps it from taking work, in words for an operator; None when nothing does."""
        if not self.started or self._obstacle is None:
            return "starting"
        return self._obstacle() if self.redis_answers else "Redis does not answer"


def answer(path: str, health: Health, metrics: Callable[[], str]) -> Answer:
    """
    What a process says at `path`.

    `/livez` depends on nothing but the event loop: a process whose Redis is away still holds what was heard,
    and must not be killed for it.
    """
    match path:
        case "/livez":
            return Answer(HTTPStatus.OK, "alive\n")
        case "/startupz":
            return _unless(None if health.started else "starting", "started")
        case "/readyz":
            return _unless(health.obstacle, "ready")
        case "/metrics":
            return Answer(HTTPStatus.OK, metrics(), FIGURES)
        case _:
            paths = "/livez, /startupz, /readyz, /metrics"
            return Answer(HTTPStatus.NOT_FOUND, f"no such path; there are {paths}\n")


def _unless(obstacle: str | None, good: str) -> Answer:
    if obstacle is None:
        return Answer(HTTPStatus.OK, f"{good}\n")
    return Answer(HTTPStatus.SERVICE_UNAVAILABLE, f"{obstacle}\n")
