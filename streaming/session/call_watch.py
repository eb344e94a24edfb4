"""The periodic work of a gateway for its calls: checkpoints, load level, orphaned calls."""

import asyncio
import time
from collections.abc import Callable

from redis.asyncio import Redis
from redis.exceptions import RedisError

from broker.connections.cancellable import raise_if_cancelled

from ..metrics import GatewayMeter
from .call_registry import CallRegistry

_HEARTBEAT_SECONDS = 2.0
"""Seconds between two heartbeats with the checkpoint of every call."""


class CallWatch:
    """Runs the heartbeat of all calls from the event loop."""

    def __init__(self, redis: Redis, calls: CallRegistry, lost_seconds: float) -> None:
        """`lost_seconds`: age of a heartbeat at which a gateway counts as dead."""
        self._redis = redis
        self._calls = calls
        self._lost_seconds = lost_seconds
        self.redis_answers = True
        """Whether Redis answered the last heartbeat."""

    async def run(self) -> None:
        """
        Every two seconds, write checkpoints, detect lost logs, update the load level and adopt orphaned calls.

        A gateway may adopt only if it reached Redis and its event loop was on time for the last `lost_seconds`.
        """
        well_since = time.monotonic()
        while True:
            slept = time.monotonic()
            await asyncio.sleep(_HEARTBEAT_SECONDS)
            try:
                await self._redis.ping()
                await self._calls.heartbeat()
                await self._calls.update_load_level()
                self.redis_answers = True
                is_on_time = time.monotonic() - slept <= 2 * _HEARTBEAT_SECONDS
                if is_on_time and slept - well_since > self._lost_seconds:
                    await self._calls.finish_orphaned()
            except (RedisError, OSError):
                raise_if_cancelled()
                self.redis_answers = False
            if not self.redis_answers or time.monotonic() - slept > 2 * _HEARTBEAT_SECONDS:
                well_since = time.monotonic()


def metrics_of(
    calls: CallRegistry,
    meter: GatewayMeter,
    *,
    heartbeat_age: Callable[[], float],
    accepts: Callable[[], bool],
) -> None:
    """Let `meter` read the state of all calls, with `heartbeat_age` in seconds, whenever metrics are read."""
    meter.watch(
        calls=lambda: len(calls),
        level=lambda: calls.overload.level,
        unsettled=lambda: calls.unsettled,
        held_bytes=lambda: calls.held_bytes,
        heartbeat_age=heartbeat_age,
        busy=lambda: calls.overload.busy,
        accepts=accepts,
    )
    meter.watch_stored(
        calls=lambda: len(calls.unstored),
        size=lambda: calls.unstored.size,
        memory_share=lambda: calls.overload.memory_share,
    )
