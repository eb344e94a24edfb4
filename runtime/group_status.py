"""Health and metrics of a group of processes, which the parent asks its processes for."""

import asyncio
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path

from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from broker.process_group.local_request import ask

from .health import METRICS_TYPE, ProbeResponse, unknown_path

Answer = tuple[int, str] | None
"""Status and text; None if a process does not answer."""


class GroupStatus:
    """
    Answers for all processes of a group.

    The group has started when all processes have, and is ready while one of them is: the others take no calls.
    """

    def __init__(self, sockets: Sequence[Path]) -> None:
        """`sockets`: where each process answers for itself, by its number."""
        self._sockets = sockets
        self.is_draining = False

    async def answer(self, path: str) -> ProbeResponse:
        """Return the response for `path`; see `health.answer`."""
        match path:
            case "/livez":
                return ProbeResponse(HTTPStatus.OK, "alive\n")
            case "/startupz":
                return started(await self._ask(path))
            case "/readyz" if self.is_draining:
                return ProbeResponse(HTTPStatus.SERVICE_UNAVAILABLE, "draining\n")
            case "/readyz":
                return ready(await self._ask(path))
            case "/metrics":
                return ProbeResponse(HTTPStatus.OK, merged(await self._ask(path)), METRICS_TYPE)
            case _:
                return unknown_path()

    async def _ask(self, path: str) -> list[Answer]:
        return await asyncio.gather(*(ask(one, path) for one in self._sockets))


def started(answers: Sequence[Answer]) -> ProbeResponse:
    """Return the response to `/startupz`: 200 if every process has started."""
    missing = _obstacles(answers)
    if missing:
        return ProbeResponse(HTTPStatus.SERVICE_UNAVAILABLE, _lines(missing))
    return ProbeResponse(HTTPStatus.OK, "started\n")


def ready(answers: Sequence[Answer]) -> ProbeResponse:
    """Return the response to `/readyz`: 200 if a process accepts calls.  The text names those that do not."""
    missing = _obstacles(answers)
    if len(missing) == len(answers):
        return ProbeResponse(HTTPStatus.SERVICE_UNAVAILABLE, _lines(missing))
    return ProbeResponse(HTTPStatus.OK, "ready\n" + (_lines(missing) if missing else ""))


def _obstacles(answers: Sequence[Answer]) -> dict[int, str]:
    """Return what the processes say that are not well, by their number."""
    return {
        number: "does not answer" if said is None else said[1].strip()
        for number, said in enumerate(answers)
        if said is None or said[0] != HTTPStatus.OK
    }


def _lines(obstacles: dict[int, str]) -> str:
    return "".join(f"process {number}: {text}\n" for number, text in obstacles.items())


class _Collected:
    """A collector of metrics that are known already."""

    def __init__(self, metrics: Sequence[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Sequence[Metric]:
        """Return the metrics."""
        return self._metrics


def merged(answers: Sequence[Answer]) -> str:
    """Return the metrics of all processes in one text, each sample with the label `process`."""
    up = Metric("trunkline_process_up", "1 if a process of the group answers, else 0", "gauge")
    found = {up.name: up}
    for number, said in enumerate(answers):
        process = {"process": str(number)}
        up.add_sample(up.name, process, float(said is not None))
        for family in text_string_to_metric_families(said[1]) if said else ():
            kind = Metric(family.name, family.documentation, family.type)
            samples = [one._replace(labels=one.labels | process) for one in family.samples]
            found.setdefault(family.name, kind).samples += samples
    registry = CollectorRegistry()
    registry.register(_Collected(list(found.values())))
    return generate_latest(registry).decode()
