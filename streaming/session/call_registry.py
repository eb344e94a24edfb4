"""
The calls of one gateway: opened anew, continued for a reconnecting bridge, finished for a gateway that died.

The connection that opened a call last owns it; Redis refuses writes of all others (see broker/redis_scripts).
"""

import asyncio
import contextlib
import secrets
import time
from collections.abc import Callable
from dataclasses import replace

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from broker.event_log.pubsub import PubSubHub
from broker.queries import probe, server_time
from broker.redis_keys import CallKeys, Partition
from broker.time_limits import TimeLimit
from protocol.bridge_events import CallOpened, DialectError
from protocol.dialects.base import Continuing, Dialect, Resumable
from protocol.events import Entry
from protocol.tenants import bare

from ..audio.vad_batcher import VadBatcher
from ..call.checkpoint import first_checkpoint
from ..call.ownership import Ownership
from ..call.phase import Phase
from ..call_store import OverloadedError, SupersededError
from ..metrics import GatewayMeter
from ..settings import GatewaySettings
from .calls.call_factory import CallFactory
from .calls.joined_call import JoinedCall, StreamHandle
from .calls.live_call import LiveCall
from .finishing_calls import AT_A_TIME, FinishingCalls
from .overload_control import OverloadControl
from .retention import resend_log, retire
from .unstored import EndedCall, Unstored

_RETRY_SECONDS = 0.2
"""Seconds between two checks of a stopping gateway whether all ended calls are stored."""

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
        self._partitions = [Partition(number) for number in range(partitions)]
        self._settings = settings
        self._meter = meter or GatewayMeter()
        self._call_factory = CallFactory(
            redis, partitions, settings, vad_batcher, pubsub_hub, now, self._meter
        )
        self._calls: dict[str, LiveCall] = {}
        self.overload = OverloadControl(redis, settings, self._meter, self._calls)
        """What this gateway can still take."""

        self._call_factory.keyword_limit = self.overload.keyword_limit
        self._finishing = FinishingCalls(
            redis, self._call_factory, settings.lost_seconds, self._calls, self.close
        )
        self._joined_calls: dict[str, asyncio.Future[JoinedCall]] = {}
        self._retiring: set[asyncio.Task[None]] = set()
        self._unstored = Unstored(settings.unstored_bytes)
        self._is_stopping = False

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
    ) -> LiveCall | StreamHandle:
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
        # The clock of Redis: the call may continue at a gateway whose own clock differs.
        now = await server_time(self._redis)
        checkpoint = first_checkpoint(opened, dialect.name, now, token)
        queue = self._call_factory.queue(call_id)
        if await queue.open(secrets.token_hex(8), checkpoint):
            live_call = self._call_factory.begin(queue, opened, checkpoint, notify)
        else:
            recovered = await queue.recovered(checkpoint)
            live_call = self._call_factory.go_on(queue, opened, recovered, token, now, notify)
            if isinstance(dialect, Continuing):
                dialect.continued(recovered.readable, live_call.heard)
        self._add(live_call, opened)
        dialect.opened(bare(call_id))
        if token and isinstance(dialect, Resumable):
            dialect.resumed(token, live_call.checkpoint.heard)
        return live_call

    def _add(self, live_call: LiveCall, opened: CallOpened) -> None:
        self._calls[live_call.call.identity.call_id] = live_call
        live_call.serves = self.overload.serves
        live_call.set_load_level(self.overload.level_of(opened.config.task))

    def find(self, call_id: str) -> LiveCall | None:
        """Return the call in progress of this gateway with a filed id; None if there is none."""
        return self._calls.get(call_id)

    def __len__(self) -> int:
        """Return the number of calls in progress on this gateway."""
        return len(self._calls)

    def unsigned(self, seconds: float) -> tuple[Ownership, ...]:
        """
        The ownership of every call in progress whose last checkpoint is older than `seconds`.

        A checkpoint counts as a heartbeat, so the others need none.  Safe to call from any thread.
        """
        before = time.monotonic() - seconds
        return tuple(one.ownership for one in list(self._calls.values()) if one.signed_at < before)

    @property
    def unsettled(self) -> int:
        """Number of segments that have no terminal event yet."""
        return sum(one.unsettled for one in self._calls.values())

    @property
    def held_bytes(self) -> int:
        """Bytes of audio kept in memory until the terminal events of its segments arrive."""
        return sum(one.call.ledger.held_bytes for one in self._calls.values())

    @property
    def unstored(self) -> Unstored:
        """Ended calls that are not stored yet."""
        return self._unstored

    def close(self, part: LiveCall | StreamHandle) -> None:
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
            self._finishing.run_on(live_call)

    def _hold(self, ended: EndedCall) -> None:
        """Let the log of an ended call expire in Redis, and keep a copy here until it is stored."""
        for gone in self._unstored.hold(ended):
            self._meter.let_go()
            logger.error("unstored_call_dropped", call_id=gone.queue.keys.call_id)
        retiring = asyncio.create_task(retire(ended))
        self._retiring.add(retiring)
        retiring.add_done_callback(self._retiring.discard)

    async def heartbeat(self) -> None:
        """Send a heartbeat with the checkpoint of each call.  Raises RedisError if Redis does not answer."""
        calls = list(self._calls.values())
        for first in range(0, len(calls), AT_A_TIME):
            await asyncio.gather(*(call.heartbeat() for call in calls[first : first + AT_A_TIME]))

    async def update_load_level(self) -> None:
        """Measure Redis and the workers, set the load level of every call, and re-send logs that Redis has lost."""
        before = self.overload.level
        await self._check_servers()
        await self.overload.observe_workers(self._partitions, before)

    async def _check_servers(self) -> None:
        """Check the memory use of the Redis servers, and re-send logs that a server has lost before storage."""
        probes = await asyncio.gather(*(probe(self._redis, one) for one in self._partitions))
        self.overload.observe_memory(probes)
        for partition, one in zip(self._partitions, probes, strict=True):
            lost = self._unstored.poll(partition, one)
            for first in range(0, len(lost), AT_A_TIME):
                await asyncio.gather(
                    *(resend_log(call) for call in lost[first : first + AT_A_TIME])
                )

    async def finish_orphaned(self) -> None:
        """Adopt calls whose gateways send no heartbeat any more, and bring them to their end."""
        await self._finishing.adopt_orphaned(self._partitions)

    async def stop(self) -> None:
        """
        Stop: leave unfinished calls to other gateways.

        Ended calls get up to 5 seconds to be stored first.
        """
        self._is_stopping = True
        with contextlib.suppress(TimeoutError, RedisError, OSError):
            async with TimeLimit(self._settings.store_wait_seconds):
                await self._until_stored()
        if self._unstored:
            logger.warning("calls_left_unstored", entries=len(self._unstored))
        await self._finishing.stop()
        for task in self._retiring:
            task.cancel()
        await asyncio.gather(*self._retiring, return_exceptions=True)
        if self._call_factory.audio_writer is not None:
            await asyncio.to_thread(self._call_factory.audio_writer.stop)

    async def _until_stored(self) -> None:
        while self._unstored:
            await self._check_servers()
            await asyncio.sleep(_RETRY_SECONDS)

    # Parts

    async def _check(self, opened: CallOpened, call_id: str, *, admitted: bool) -> None:
        """Raise DialectError or OverloadedError unless the call may be opened or continued."""
        spoken, written = task = opened.config.task
        there = await self._call_factory.queue(call_id).in_progress()
        goes_on = there is not None and there.config.task == task  # its jobs wait for a worker
        if not goes_on and not self.overload.serves(task):
            raise DialectError(
                f"no running worker transcribes {spoken} to {written}; "
                f"available: {self.overload.task_names}"
            )
        if there is None and not self.overload.takes(task, admitted=admitted):
            raise OverloadedError(
                f"overloaded, new calls are refused: try again in {self.overload.retry_seconds()} s"
            )
        if opened.token and not (there and there.opens_for(opened.token)):
            raise DialectError("no call in progress has this id and token: start a new one")
        if there and len(there.roles) != len(opened.roles):
            raise DialectError(f"this call is in progress with {len(there.roles)} channels")


def _is_over(joined_call: asyncio.Future[JoinedCall]) -> bool:
    """Return whether a stream that arrives now opens a new call."""
    if not joined_call.done():
        return False
    failed = joined_call.cancelled() or joined_call.exception() is not None
    return failed or not joined_call.result().live_call.is_live
