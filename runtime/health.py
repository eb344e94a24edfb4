"""Liveness, startup and readiness of a process, as orchestrators query them.  Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

METRICS_TYPE = "text/plain; version=1.0.0; charset=utf-8"
WORDS = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class ProbeResponse:
    """Response to one request."""

    status: HTTPStatus
    text: str
    kind: str = WORDS
    """The content type."""


class Health:
    """
    Health of one process.

    It has started once Redis has answered and its part is running.  It is ready while Redis answers and the part
    reports no obstacle.
    """

    def __init__(self) -> None:
        self.redis_answers = False
        self._redis_was_reached = False
        self._obstacle: Callable[[], str | None] | None = None

    def redis(self, *, answers: bool) -> None:
        """Record whether Redis answered the last check."""
        self.redis_answers = answers
        self._redis_was_reached |= answers

    def at_work(self, obstacle: Callable[[], str | None] = lambda: None) -> None:
        """Mark the part as running.  `obstacle` returns why it cannot take work, or None."""
        self._obstacle = obstacle

    @property
    def started(self) -> bool:
        """Whether the process has started; stays true."""
        return self._redis_was_reached and self._obstacle is not None

    @property
    def obstacle(self) -> str | None:
        """Why the process cannot take work, as a text for the operator; None if it is ready."""
        if not self.started or self._obstacle is None:
            return "starting"
        return self._obstacle() if self.redis_answers else "Redis does not answer"


def answer(path: str, health: Health, metrics: Callable[[], str]) -> ProbeResponse:
    """
    Return the response for `path`.

    `/livez` depends only on the event loop.  A process whose Redis is unreachable still holds data of calls, so
    an orchestrator must not kill it for that.
    """
    match path:
        case "/livez":
            return ProbeResponse(HTTPStatus.OK, "alive\n")
        case "/startupz":
            return _unless(None if health.started else "starting", "started")
        case "/readyz":
            return _unless(health.obstacle, "ready")
        case "/metrics":
            return ProbeResponse(HTTPStatus.OK, metrics(), METRICS_TYPE)
        case _:
            return unknown_path()


def unknown_path() -> ProbeResponse:
    """Return the response for a path that does not exist."""
    paths = "/livez, /startupz, /readyz, /metrics"
    return ProbeResponse(HTTPStatus.NOT_FOUND, f"no such path; there are {paths}\n")


def _unless(obstacle: str | None, good: str) -> ProbeResponse:
    if obstacle is None:
        return ProbeResponse(HTTPStatus.OK, f"{good}\n")
    return ProbeResponse(HTTPStatus.SERVICE_UNAVAILABLE, f"{obstacle}\n")
