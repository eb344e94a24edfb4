"""
The calls of one gateway: opened anew, continued for a reconnecting bridge, finished for a gateway that died.

The connection that opened a call last owns it; Redis refuses writes of all others (see broker/redis_scripts).
"""

import asyncio
import contextlib
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from broker.event_log.pubsub import PubSubHub
from broker.queries import fleet, orphaned, probe, server_time
from broker.redis_keys import CallKeys, Partition
from protocol.bridge_events import CallOpened, DialectError
from protocol.dialects.base import Continuing, Dialect, Resumable
from protocol.events import Entry, LoadLevel
from protocol.scheduling.fleet import Fleet
from protocol.scheduling.worker_capacity import Task
from protocol.tenants import bare

from ..audio.vad_batcher import VadBatcher
from ..call.call import Phase
from ..call.checkpoint import Checkpoint, hashed
from ..call.ownership import Ownership
from ..call.recovery import RecoveredCall
from ..call_store import CallStore, OverloadedError, SupersededError
from ..metrics import GatewayMeter
from ..overload.gateway_load import GatewayLoad, LoopSample
from ..overload.retry_times import RetryTimes
from ..overload.task_load import TaskLoads
from ..settings import GatewaySettings
from .calls.call_factory import CallFactory
from .calls.joined_call import CallHandle, JoinedCall, StreamHandle
from .calls.live_call import LiveCall
from .retention import resend_log, retire
from .unstored import EndedCall, Unstored

_AT_A_TIME = 32
"""Most calls for which heartbeats are sent at the same time, or which are finished for dead gateways."""

_RETRY_SECONDS = 0.2
"""Seconds between two checks of a stopping gateway whether all ended calls are stored."""

_MEMORY_SLACK = 0.05
"""Hysteresis: memory use must fall by this share below the limit before new calls are accepted again."""

logger = structlog.get_logger()


class CallRegistry:
    """All calls of this gateway."""

    def __init__(
        self,
        redis: Redis,
        partitions: int,
        settings: GatewaySettings,
        vad_batcher: VadBatcher,
        pubsub_hub: PubSubHub,
        now: Callable[[], float] = time.time,
        meter: GatewayMeter | None = None,
    ) -> None:
        """`now` returns Unix seconds by the clock of this machine; used for metrics, never for decisions."""
        self._redis = redis
        self._partitions = partitions
        self._settings = settings
        self._meter = meter or GatewayMeter()
        self._call_factory = CallFactory(
            redis, partitions, settings, vad_batcher, pubsub_hub, now, self._meter
        )
        self._loads = TaskLoads()
        self._gateway_load = GatewayLoad(settings.cpu_limit)
        self._retry_times = RetryTimes()
        self._fleets: tuple[Fleet, ...] = ()
        self._orphaned_tasks: frozenset[Task] = frozenset()
        self._call_factory.keyword_limit = self._keyword_limit
        self._calls: dict[str, LiveCall] = {}
        self._joined_calls: dict[str, asyncio.Future[JoinedCall]] = {}
        self._going: set[asyncio.Task[None]] = set()
        self._finishing: dict[str, asyncio.Task[None]] = {}
        self._unstored = Unstored(settings.unstored_bytes)
        self._is_stopping = False
        self._is_short_of_memory = False
        self.memory_share = 0.0
        """Used share of the memory limit of Redis, 0 to 1; 0 if Redis has no limit."""

    def keys(self, call_id: str) -> CallKeys:
        """Return the Redis keys of a call."""
        return self._call_factory.keys(call_id)

    async def open(
        self,
        opened: CallOpened,
        call_id: str,
        dialect: Dialect,
        notify: Callable[[Entry], None],
        *,
        admitted: bool = False,
    ) -> CallHandle:
        """
        Open or continue the call of a bridge, or attach its stream to a joined call.

        `admitted`: whether `admit` has counted it as a new call.  Raises DialectError if the bridge may not have
        the call, OverloadedError if there is no capacity.
        """
        if not opened.joins:
            return await self._take(opened, call_id, dialect, notify, admitted=admitted)
        joined_call = self._joined_calls.get(call_id)
        if first := joined_call is None or _is_over(joined_call):
            joined_call = asyncio.ensure_future(self._begin_to_join(opened, call_id, dialect))
            self._joined_calls[call_id] = joined_call
        stream_handle = (await asyncio.shield(joined_call)).attach(opened)
        if not first:
            dialect.opened(bare(call_id))
        return stream_handle

    async def _begin_to_join(
        self, opened: CallOpened, call_id: str, dialect: Dialect
    ) -> JoinedCall:
        """Open the call for its first stream.  Streams that arrive meanwhile wait for the result."""
        queue, patience = self._call_factory.queue(call_id), self._settings.resume_seconds
        elsewhere = call_id not in self._calls and await queue.in_progress()
        if elsewhere and await queue.silent_seconds() < patience:
            raise DialectError(
                "this call is on another gateway: connect all its streams to one gateway"
            )
        whole = replace(opened, roles=opened.joins, resumable=False, token="")
        live_call = await self._take(whole, call_id, dialect, lambda _: None)
        return JoinedCall(live_call, opened)

    async def _take(
        self,
        opened: CallOpened,
        call_id: str,
        dialect: Dialect,
        notify: Callable[[Entry], None],
        *,
        admitted: bool = False,
    ) -> LiveCall:
        await self._check(opened, call_id, admitted=admitted)
        if older := self._calls.pop(call_id, None):
            await older.leave(SupersededError())
        token = opened.token or (secrets.token_urlsafe(24) if opened.resumable else "")
        now = await server_time(
            self._redis
        )  # the call may continue at a gateway with another clock
        checkpoint = Checkpoint(
            roles=opened.roles,
            dialect=dialect.name,
            started_at=now,
            config=opened.config,
            heard=(0,) * len(opened.roles),
            token=hashed(token) if token else b"",
            rejected_keywords=opened.rejected_keywords,
        )
        queue = self._call_factory.queue(call_id)
        if await queue.open(secrets.token_hex(8), checkpoint):
            live_call = self._call_factory.begin(queue, opened, checkpoint, notify)
        else:
            recovered = await queue.recovered(checkpoint)
            live_call = self._call_factory.go_on(queue, opened, recovered, token, now, notify)
            if isinstance(dialect, Continuing):
                dialect.continued(recovered.readable, live_call.heard)
        self._calls[call_id] = live_call
        live_call.serves = self._serves
        live_call.set_load_level(self._level_of(opened.config.task))
        dialect.opened(bare(call_id))
        if token and isinstance(dialect, Resumable):
            dialect.resumed(token, live_call.checkpoint.heard)
        return live_call

    def find(self, call_id: str) -> LiveCall | None:
        """Return the call in progress of this gateway with a filed id; None if there is none."""
        return self._calls.get(call_id)

    def __len__(self) -> int:
        """Return the number of calls in progress on this gateway."""
        return len(self._calls)

    @property
    def ownerships(self) -> tuple[Ownership, ...]:
        """The ownership of every call in progress on this gateway.  Safe to read from any thread."""
        return tuple(one.ownership for one in list(self._calls.values()))

    @property
    def level(self) -> LoadLevel:
        """The load level: the worst of the levels of the workers, the event loop and the memory of Redis."""
        if self._is_short_of_memory:
            return LoadLevel.NO_NEW_CALLS
        return max(self._loads.least(self._tasks), self._gateway_load.level)

    @property
    def languages(self) -> tuple[str, ...]:
        """ISO 639 codes of the languages that living workers can transcribe; empty while none is known."""
        return tuple(sorted(spoken for spoken, written in self._tasks if spoken == written))

    @property
    def unsettled(self) -> int:
        """Number of segments that have no terminal event yet."""
        return sum(len(one.call.ledger.unsettled) for one in self._calls.values())

    @property
    def held_bytes(self) -> int:
        """Bytes of audio kept in memory until the terminal events of its segments arrive."""
        return sum(one.call.ledger.held_bytes for one in self._calls.values())

    @property
    def unstored(self) -> Unstored:
        """Ended calls that are not stored yet."""
        return self._unstored

    def close(self, part: CallHandle) -> None:
        """
        Remove a call whose session is over, or release one stream of a joined call.

        An unfinished call continues to run here without its bridge, until its last finals have arrived.
        """
        live_call = part.joined_call.live_call if isinstance(part, StreamHandle) else part
        if isinstance(part, StreamHandle) and not part.joined_call.release(part):
            return
        call_id = live_call.call.identity.call_id
        if self._calls.get(call_id) is live_call:
            del self._calls[call_id]
            self._joined_calls.pop(call_id, None)
        if live_call.call.phase is Phase.OVER:
            self._hold(live_call.ended)
        elif live_call.is_unfinished and not self._is_stopping:
            self._finishing[call_id] = asyncio.create_task(self._run_on(live_call))

    def _hold(self, ended: EndedCall) -> None:
        """Let the log of an ended call expire in Redis, and keep a copy here until it is stored."""
        for gone in self._unstored.hold(ended):
            self._meter.let_go()
            logger.error("unstored_call_dropped", call_id=gone.queue.keys.call_id)
        going = asyncio.create_task(retire(ended))
        self._going.add(going)
        going.add_done_callback(self._going.discard)

    async def _run_on(self, live_call: LiveCall) -> None:
        """Wait for the last finals of a call whose bridge is gone, for as long as this gateway runs."""
        call_id = live_call.call.identity.call_id
        self._calls[call_id] = live_call
        try:
            await live_call.run_on()
        except* SupersededError:
            logger.info("call_continued_elsewhere", call_id=call_id)
        finally:
            self._finishing.pop(call_id, None)
            self.close(live_call)

    async def heartbeat(self) -> None:
        """Send a heartbeat with the checkpoint of each call.  Raises RedisError if Redis does not answer."""
        calls = list(self._calls.values())
        for first in range(0, len(calls), _AT_A_TIME):
            await asyncio.gather(*(call.heartbeat() for call in calls[first : first + _AT_A_TIME]))

    async def update_load_level(self) -> None:
        """Measure how far the workers are behind, and set the load level of every call."""
        before = self.level
        partitions = [Partition(number) for number in range(self._partitions)]
        await self._check_servers(partitions)
        now = await server_time(self._redis)
        self._fleets = tuple(
            await asyncio.gather(*(fleet(self._redis, one, now) for one in partitions))
        )
        calls = {call.call.config.task for call in self._calls.values()}
        tasks = self._tasks.union(calls, *(one.waiting for one in self._fleets))
        waits = {task: max(one.wait(task) for one in self._fleets) for task in tasks}
        self._loads.observe(waits)
        self._check_workers(calls)
        self._publish_load_level(before, "workers")

    def observe_loop(self, sample: LoopSample) -> None:
        """Take a measurement of the event loop; set the load level of every call if it changes."""
        before = self.level
        calls = self._calls.values()
        recorded = any(call.call.config.recorded for call in calls)
        if self._gateway_load.observe(sample, len(calls), plays_recordings=recorded):
            self._publish_load_level(before, "event loop")

    @property
    def busy(self) -> float:
        """Share of the last second in which the event loop had work, 0 to 1."""
        return self._gateway_load.busy

    @property
    def obstacle(self) -> str | None:
        """Why a new call has no room, as a text for an operator; None if it has."""
        if self._is_short_of_memory:
            return "the memory of Redis is used up to memory_share"
        if not self._gateway_load.has_room:
            return f"the event loop is busy for {self.busy:.0%} of the time: more calls would pass cpu_limit"
        if self.level is LoadLevel.NO_NEW_CALLS:
            return "the workers or the event loop are behind"
        return None

    def admit(self) -> bool:
        """Return whether a new call has room; if so, count it before it begins."""
        return self.obstacle is None and self._gateway_load.admit()

    def retry_seconds(self) -> int:
        """Return after how many seconds the client that is refused now may try again."""
        return self._retry_times.next(time.monotonic())

    def _publish_load_level(self, before: LoadLevel, reason: str) -> None:
        if self.level is not before:
            logger.warning("load_changed", level=self.level.name.lower(), reason=reason)
        for call in self._calls.values():
            task = call.call.config.task
            level = self._level_of(task)
            call.set_load_level(level, self._lack(task) if level else "")

    def _level_of(self, task: Task) -> LoadLevel:
        """Return the load level for calls that need `task`."""
        return max(self._loads.level(task), self._gateway_load.level)

    @property
    def _tasks(self) -> frozenset[Task]:
        """The tasks of all living workers; empty while no worker has reported."""
        return frozenset[Task]().union(*(one.tasks for one in self._fleets))

    def _serves(self, task: Task) -> bool:
        """Return whether a living worker can do `task`; true while no worker has reported its tasks."""
        tasks = self._tasks
        return not tasks or task in tasks

    def _lack(self, task: Task) -> str:
        """Return the reason sent to calls that need `task` if no living worker can do it; otherwise empty."""
        spoken, written = task
        if self._fleets and task not in self._tasks:
            return f"no running worker transcribes {spoken} to {written}: its jobs wait for one"
        return ""

    def _check_workers(self, needed: set[Task]) -> None:
        """Log when the last worker for a needed task is gone, and count the calls without a worker."""
        known = self._tasks
        lacking = frozenset(task for task in needed if task not in known)
        for task in lacking - self._orphaned_tasks:
            logger.error(
                "no_capable_worker",
                reason=self._lack(task),
                remedy="start a worker whose engine supports this task",
            )
        self._orphaned_tasks = lacking
        self._meter.without_worker(
            sum(call.call.config.task in lacking for call in self._calls.values())
        )

    def _keyword_limit(self, task: Task) -> int | None:
        """Return the most keywords that all living workers of `task` can use in one segment; None: no limit."""
        limits = [limit for one in self._fleets if (limit := one.keyword_limit(task)) is not None]
        return min(limits, default=None)

    async def _check_servers(self, partitions: Sequence[Partition]) -> None:
        """Check the memory use of the Redis servers, and re-send logs that a server has lost before storage."""
        probes = await asyncio.gather(*(probe(self._redis, one) for one in partitions))
        self.memory_share = max(one.share for one in probes)
        limit = self._settings.memory_share - _MEMORY_SLACK * self._is_short_of_memory
        if (self.memory_share > limit) is not self._is_short_of_memory:
            self._is_short_of_memory = not self._is_short_of_memory
            if self._is_short_of_memory:
                logger.warning("redis_memory_low")
            else:
                logger.warning("redis_memory_sufficient")
        for partition, one in zip(partitions, probes, strict=True):
            lost = self._unstored.poll(partition, one)
            for first in range(0, len(lost), _AT_A_TIME):
                await asyncio.gather(
                    *(resend_log(call) for call in lost[first : first + _AT_A_TIME])
                )

    async def finish_orphaned(self) -> None:
        """Adopt calls whose gateways send no heartbeat any more, and bring them to their end."""
        since = await server_time(self._redis) - self._settings.lost_seconds
        for number in range(self._partitions):
            room = _AT_A_TIME - len(self._finishing)
            for call_id in await orphaned(self._redis, Partition(number), since, room):
                if call_id not in self._calls and call_id not in self._finishing:
                    self._finishing[call_id] = asyncio.create_task(self._finish(call_id))

    async def stop(self) -> None:
        """
        Stop: leave unfinished calls to other gateways.

        Ended calls get up to 5 seconds to be stored first.
        """
        self._is_stopping = True
        with contextlib.suppress(TimeoutError, RedisError, OSError):
            async with asyncio.timeout(self._settings.store_wait_seconds):
                await self._until_stored()
        if self._unstored:
            logger.warning("calls_left_unstored", entries=len(self._unstored))
        tasks = [*self._finishing.values(), *self._going]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._call_factory.audio_writer is not None:
            await asyncio.to_thread(self._call_factory.audio_writer.stop)

    async def _until_stored(self) -> None:
        while self._unstored:
            await self._check_servers([Partition(one) for one in range(self._partitions)])
            await asyncio.sleep(_RETRY_SECONDS)

    async def _finish(self, call_id: str) -> None:
        try:
            await self._adopt(self._call_factory.queue(call_id))
        except (RedisError, OSError) as exc:
            logger.warning("redis_unavailable", error=type(exc).__name__)
        finally:
            del self._finishing[call_id]

    async def _adopt(self, queue: CallStore) -> None:
        if not await queue.adopt(self._settings.lost_seconds):
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
        logger.warning(
            "call_orphaned", call_id=queue.keys.call_id, unsettled=len(recovered.unsettled_segments)
        )
        finishing = self._call_factory.inherit(queue, recovered)
        self._calls[queue.keys.call_id] = finishing
        try:
            await finishing.run()
        except* SupersededError:
            logger.info("call_continued_elsewhere", call_id=queue.keys.call_id)
        finally:
            self.close(finishing)

    # Parts

    async def _check(self, opened: CallOpened, call_id: str, *, admitted: bool) -> None:
        """Raise DialectError or OverloadedError unless the call may be opened or continued."""
        spoken, written = task = opened.config.task
        if not self._serves(task):
            known = ", ".join(sorted("-".join(dict.fromkeys(task)) for task in self._tasks)[:40])
            raise DialectError(
                f"no running worker transcribes {spoken} to {written}; available: {known}"
            )
        there = await self._call_factory.queue(call_id).in_progress()
        if there is None and not self._takes(task, admitted=admitted):
            raise OverloadedError(
                f"overloaded, new calls are refused: try again in {self.retry_seconds()} s"
            )
        if opened.token and not (there and there.opens_for(opened.token)):
            raise DialectError("no call in progress has this id and token: start a new one")
        if there and len(there.roles) != len(opened.roles):
            raise DialectError(f"this call is in progress with {len(there.roles)} channels")

    def _takes(self, task: Task, *, admitted: bool) -> bool:
        """Return whether a new call that needs `task` has room; if so, it is counted unless it was before."""
        if self._level_of(task) is LoadLevel.NO_NEW_CALLS:
            return False
        return admitted or self._gateway_load.admit()


def _is_over(joined_call: asyncio.Future[JoinedCall]) -> bool:
    """Return whether a stream that arrives now opens a new call."""
    if not joined_call.done():
        return False
    failed = joined_call.cancelled() or joined_call.exception() is not None
    return failed or not joined_call.result().live_call.is_live
