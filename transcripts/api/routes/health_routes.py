"""Route of the health of the installation, in words and numbers."""

from dataclasses import dataclass

import msgspec
from redis.asyncio import Redis
from starlette.requests import Request
from starlette.responses import Response

from protocol.auth.credentials import Scope

from ...live.health_probe import measure
from ...live.health_words import Level, Measured, capacity, languages, sentences, worst
from ..messages.errors import ApiError
from ..messages.parameters import single
from ..messages.responses import json_response
from ..operations import Answer, Operation
from ..threads import StoreThreads


class SentenceBody(msgspec.Struct):
    """What is so with one part of the installation, for people."""

    part: str
    level: Level
    text: str


class HealthBody(msgspec.Struct):
    """
    The health of the installation.

    `state`: the most serious level.  `capacity`: seconds of speech that all workers finish per second; null if it
    is not measured yet.
    """

    state: Level
    sentences: list[SentenceBody]
    gateways: int
    workers: int
    languages: list[str]
    capacity: float | None
    waiting: int
    oldest_waiting_seconds: float
    stored_behind_seconds: float


@dataclass(frozen=True, slots=True)
class HealthRoutes:
    """Handler of health."""

    store: StoreThreads
    redis: Redis
    partitions: int

    async def read_health(self, request: Request) -> Response:
        """Return the health of the installation.  It contains nothing of any call."""
        single(request.query_params.multi_items(), ())
        return json_response(_body(await measure(self.redis, self.partitions, self._answers)))

    async def _answers(self) -> bool:
        try:
            await self.store.run(lambda store: store.people([]))
        except ApiError:
            return False
        return True

    def operations(self) -> list[Operation]:
        """The operations with their descriptions."""
        return [
            Operation(
                "GET",
                "/v1/health",
                Scope.READ,
                self.read_health,
                "read_health",
                "The health of the installation, in words",
                {200: Answer("the health", HealthBody)},
                errors=(400,),
                details="The same for all tenants: it contains nothing of any call.  Probes of orchestrators"
                " use the port of `metrics_port`.",
            )
        ]


def _body(measured: Measured) -> HealthBody:
    told = sentences(measured)
    waiting = [depth for one in measured.fleets for depth in (*one.waiting.values(), one.for_any)]
    return HealthBody(
        worst(told),
        [SentenceBody(one.part, one.level, one.text) for one in told],
        measured.gateways,
        max((len(one.workers) for one in measured.fleets), default=0),
        languages(measured.fleets),
        capacity(measured.fleets),
        sum(one.segments for one in waiting),
        round(max((one.oldest_seconds for one in waiting if one.segments), default=0.0), 1),
        round(measured.stored_behind, 1),
    )
