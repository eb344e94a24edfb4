"""Calls without a bridge, which this gateway brings to their end: its own, and those of gateways that died."""

import asyncio
from collections.abc import Callable, MutableMapping, Sequence

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from broker.queries import orphaned, server_time
from broker.redis_keys import Partition

from ..call.recovery import RecoveredCall
from ..call_store import CallStore, SupersededError
from .calls.call_factory import CallFactory
from .calls.live_call import LiveCall

AT_A_TIME = 32
"""Most calls for which heartbeats are sent at the same time, or which are finished for dead gateways."""

logger = structlog.get_logger()


class FinishingCalls:
    """One task for each call that only waits for its last finals."""

    def __init__(
        self,
        redis: Redis,
        call_factory: CallFactory,
        lost_seconds: float,
        calls: MutableMapping[str, LiveCall],
        close: Callable[[LiveCall], None],
    ) -> None:
        """
        `lost_seconds`: age of a heartbeat at which a gateway counts as dead.

        `calls`: the calls in progress by filed id.  `close` removes a call that is over.
        """
        self._redis = redis
        self._call_factory = call_factory
        self._lost_seconds = lost_seconds
        self._calls = calls
        self._close = close
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def run_on(self, live_call: LiveCall) -> None:
        """Run a call whose bridge is gone until its last finals have arrived."""
        call_id = live_call.call.identity.call_id
        self._tasks[call_id] = asyncio.create_task(self._run_on(live_call, call_id))

    async def adopt_orphaned(self, partitions: Sequence[Partition]) -> None:
        """Adopt calls whose gateways send no heartbeat any more, as many as there is room for."""
        since = await server_time(self._redis) - self._lost_seconds
        for partition in partitions:
            room = AT_A_TIME - len(self._tasks)
            for call_id in await orphaned(self._redis, partition, since, room):
                if call_id not in self._calls and call_id not in self._tasks:
                    self._tasks[call_id] = asyncio.create_task(self._finish(call_id))

    async def stop(self) -> None:
        """Leave the unfinished calls to other gateways."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run_on(self, live_call: LiveCall, call_id: str) -> None:
        self._calls[call_id] = live_call
        try:
            await live_call.run_on()
        except* SupersededError:
            logger.info("call_continued_elsewhere", call_id=call_id)
        finally:
            self._tasks.pop(call_id, None)
            self._close(live_call)

    async def _finish(self, call_id: str) -> None:
        try:
            await self._adopt(self._call_factory.queue(call_id))
        except (RedisError, OSError) as exc:
            logger.warning("redis_unavailable", error=type(exc).__name__)
        finally:
            del self._tasks[call_id]

    async def _adopt(self, queue: CallStore) -> None:
        if not await queue.adopt(self._lost_seconds):
            return
        checkpoint = await queue.peek()
        if checkpoint is None:
            logger.error(
                "call_not_finished", call_id=queue.keys.call_id, remedy="update this gateway"
            )
            return
        recovered = await queue.recovered(checkpoint)
        if recovered.has_ended:
            await queue.retire()
        else:
            await self._bring_to_its_end(queue, recovered)

    async def _bring_to_its_end(self, queue: CallStore, recovered: RecoveredCall) -> None:
        call_id = queue.keys.call_id
        logger.warning(
            "call_orphaned", call_id=call_id, unsettled=len(recovered.unsettled_segments)
        )
        finishing = self._call_factory.inherit(queue, recovered)
        self._calls[call_id] = finishing
        try:
            await finishing.run()
        except* SupersededError:
            logger.info("call_continued_elsewhere", call_id=call_id)
        finally:
            self._close(finishing)
