"""
Where calls are taken: begun anew, continued for a bridge that comes back, finished for a gateway that died.

A call belongs to whoever opened it last; Redis refuses the writes of all others (see protocol/scripts.py).
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

from protocol.bridge import CallOpened, DialectError
from protocol.capacity import Task
from protocol.dialects.base import Continuing, Dialect, Resumable
from protocol.events import Entry, LoadLevel
from protocol.keys import CallKeys, Partition
from protocol.tenants import bare

from .call import Phase
from .checkpoint import Checkpoint, hashed
from .conversation import Conversation
from .farewell import retire, tell_again
from .fleet import Fleet, TaskLoads
from .following import Newsroom
from .hearing import Hearing
from .heartbeat import Ownership
from .joining import Junction, Leg, Part
from .load import LoopLoad
from .metrics import GatewayMeter
from .past import Past
from .queue import CallQueue, OverloadedError, SupersededError
from .settings import GatewaySettings
from .survey import fleet, forsaken, probe, server_time
from .unstored import EndedCall, Unstored
from .workshop import Workshop

_AT_A_TIME = 32
"""Calls that are beaten for, or finished for others, at the same time."""

_FAREWELL_SECONDS = 5.0
"""How long a gateway that stops waits for the recorder."""

_LOOK_AGAIN = 0.2
"""Seconds between two looks of a gateway that stops."""

_MEMORY_SLACK = 0.05
"""So much less of the memory must be in use before new calls are taken again."""

log = structlog.get_logger()


class Switchboard:
    """All calls of this gateway."""

    def __init__(
        self,
        redis: Redis,
        partitions: int,
        settings: GatewaySettings,
        hearing: Hearing,
        newsroom: Newsroom,
        now: Callable[[], float] = time.time,
        meter: GatewayMeter | None = None,
    ) -> None:
        """`now`: a wall clock, in seconds."""
        self._redis = redis
        self._partitions = partitions
        self._settings = settings
        self._now = now
        self._meter = meter or GatewayMeter()
        self._workshop = Workshop(redis, partitions, settings, hearing, newsroom, now, self._meter)
        self._loads = TaskLoads()
        self._loop_load = LoopLoad()
        self._fleets: tuple[Fleet, ...] = ()
        self._orphaned_tasks: frozenset[Task] = frozenset()
        self._workshop.keyword_limit = self._keyword_limit
        self._calls: dict[str, Conversation] = {}
        self._junctions: dict[str, asyncio.Future[Junction]] = {}
        self._going: set[asyncio.Task[None]] = set()
        self._finishing: dict[str, asyncio.Task[None]] = {}
        self._unstored = Unstored(settings.unstored_bytes)
        self._is_stopping = False
        self._is_short_of_memory = False
        self.memory_share = 0.0
        """Part of the memory limit of Redis that is in use; 0 where there is none."""

    def keys(self, call_id: str) -> CallKeys:
        """Where the call lies in Redis."""
        return self._workshop.keys(call_id)

    async def open(
        self, opened: CallOpened, call_id: str, dialect: Dialect, tell: Callable[[Entry], None]
    ) -> Part:
        """A conversation for what a bridge has opened.  DialectError when it may not have the call."""
        if not opened.joins:
            return await self._take(opened, call_id, dialect, tell)
        junction = self._junctions.get(call_id)
        if first := junction is None or _is_over(junction):
            junction = asyncio.ensure_future(self._begin_to_join(opened, call_id, dialect))
            self._junctions[call_id] = junction
        leg = (await asyncio.shield(junction)).attach(opened)
        if not first:
            dialect.opened(bare(call_id))
        return leg

    async def _begin_to_join(self, opened: CallOpened, call_id: str, dialect: Dialect) -> Junction:
        """The first stream has come; those that come while this is under way wait for it."""
        queue, patience = self._workshop.queue(call_id), self._settings.resume_seconds
        elsewhere = call_id not in self._calls and await queue.in_progress()
        if elsewhere and await queue.silent_seconds() < patience:
            raise DialectError("this call is at another gateway: bring all its streams to one")
        whole = replace(opened, roles=opened.joins, resumable=False, token="")
        conversation = await self._take(whole, call_id, dialect, lambda _: None)
        return Junction(conversation, opened)

    async def _take(
        self, opened: CallOpened, call_id: str, dialect: Dialect, tell: Callable[[Entry], None]
    ) -> Conversation:
        await self._check(opened, call_id)
        if older := self._calls.pop(call_id, None):
            await older.leave(SupersededError())
        token = opened.token or (secrets.token_urlsafe(24) if opened.resumable else "")
        checkpoint = Checkpoint(
            roles=opened.roles,
            dialect=dialect.name,
            started_at=self._now(),
            config=opened.config,
            heard=(0,) * len(opened.roles),
            token=hashed(token) if token else b"",
            rejected_keywords=opened.rejected_keywords,
        )
        queue = self._workshop.queue(call_id)
        if await queue.open(secrets.token_hex(8), checkpoint):
            conversation = self._workshop.begin(queue, opened, checkpoint, tell)
        else:
            past = await queue.past(checkpoint)
            conversation = self._workshop.go_on(queue, opened, past, token, tell)
            if isinstance(dialect, Continuing):
                dialect.continued(past.entries, conversation.heard)
        self._calls[call_id] = conversation
        conversation.serves = self._serves
        conversation.ease(self._level_of(opened.config.task))
        dialect.opened(bare(call_id))
        if token and isinstance(dialect, Resumable):
            dialect.resumed(token, conversation.checkpoint.heard)
        return conversation

    def __len__(self) -> int:
        """How many calls are in progress here."""
        return len(self._calls)

    @property
    def ownerships(self) -> tuple[Ownership, ...]:
        """Every call in progress here; may be asked in any thread."""
        return tuple(one.ownership for one in list(self._calls.values()))

    @property
    def level(self) -> LoadLevel:
        """What is left out: the worst of what workers, event loop and the memory of Redis call for."""
        if self._is_short_of_memory:
            return LoadLevel.NO_NEW_CALLS
        return max(self._loads.least(self._tasks), self._loop_load.level)

    @property
    def languages(self) -> tuple[str, ...]:
        """ISO 639 codes of what the workers can write down now; empty while none is known."""
        return tuple(sorted(spoken for spoken, written in self._tasks if spoken == written))

    @property
    def unsettled(self) -> int:
        """Segments that were heard and have no terminal event yet."""
        return sum(len(one.call.ledger.unsettled) for one in self._calls.values())

    @property
    def held_bytes(self) -> int:
        """Audio in memory, kept until its terminal event is back."""
        return sum(one.call.ledger.held_bytes for one in self._calls.values())

    @property
    def unstored(self) -> Unstored:
        """Calls that are over and not stored yet."""
        return self._unstored

    def close(self, part: Part) -> None:
        """The conversation is over, or has been left."""
        conversation = part.junction.conversation if isinstance(part, Leg) else part
        if isinstance(part, Leg) and not part.junction.release(part):
            return
        call_id = conversation.call.identity.call_id
        if self._calls.get(call_id) is conversation:
            del self._calls[call_id]
            self._junctions.pop(call_id, None)
        if conversation.call.phase is Phase.OVER:
            self._hold(conversation.ended)
        elif conversation.is_unfinished and not self._is_stopping:
            self._finishing[call_id] = asyncio.create_task(self._run_on(conversation))

    def _hold(self, ended: EndedCall) -> None:
        """The call is over: its log may go from Redis in a while, and is held here until it is stored."""
        for gone in self._unstored.hold(ended):
            self._meter.let_go()
            log.error("call_let_go_unstored", call_id=gone.queue.keys.call_id)
        going = asyncio.create_task(retire(ended))
        self._going.add(going)
        going.add_done_callback(self._going.discard)

    async def _run_on(self, conversation: Conversation) -> None:
        """Its bridge is gone, its last finals are not there yet: wait for them as long as this gateway lives."""
        call_id = conversation.call.identity.call_id
        self._calls[call_id] = conversation
        try:
            await conversation.run_on()
        except* SupersededError:
            log.info("call_continued_elsewhere", call_id=call_id)
        finally:
            self._finishing.pop(call_id, None)
            self.close(conversation)

    async def beat(self) -> None:
        """A sign of life for each call.  RedisError when there is no Redis."""
        calls = list(self._calls.values())
        for first in range(0, len(calls), _AT_A_TIME):
            await asyncio.gather(*(call.beat() for call in calls[first : first + _AT_A_TIME]))

    async def look_at_load(self) -> None:
        """Find out how far the workers are behind, and tell all calls when that changes anything."""
        before = self.level
        partitions = [Partition(number) for number in range(self._partitions)]
        await self._look_at_servers(partitions)
        now = await server_time(self._redis)
        self._fleets = tuple(
            await asyncio.gather(*(fleet(self._redis, one, now) for one in partitions))
        )
        calls = {call.call.config.task for call in self._calls.values()}
        tasks = self._tasks.union(calls, *(one.waiting for one in self._fleets))
        waits = {task: max(one.wait(task) for one in self._fleets) for task in tasks}
        self._loads.observe(waits)
        self._look_for_workers(calls)
        self._tell_level(before, "workers")

    def observe_lag(self, seconds: float) -> None:
        """Our event loop was late by so much; tell all calls when that changes anything."""
        before = self.level
        if self._loop_load.observe(seconds):
            self._tell_level(before, "event loop")

    def _tell_level(self, before: LoadLevel, reason: str) -> None:
        if self.level is not before:
            log.warning("load_changed", level=self.level.name.lower(), reason=reason)
        for call in self._calls.values():
            task = call.call.config.task
            level = self._level_of(task)
            call.ease(level, self._lack(task) if level else "")

    def _level_of(self, task: Task) -> LoadLevel:
        """What is left out in calls that need `task`."""
        return max(self._loads.level(task), self._loop_load.level)

    @property
    def _tasks(self) -> frozenset[Task]:
        """What some living worker can do; empty where none has said."""
        return frozenset[Task]().union(*(one.tasks for one in self._fleets))

    def _serves(self, task: Task) -> bool:
        """Whether some living worker can do `task`; true where none has said what it can do."""
        tasks = self._tasks
        return not tasks or task in tasks

    def _lack(self, task: Task) -> str:
        """What calls that need `task` are told when no living worker can do it; empty when one can."""
        spoken, written = task
        if self._fleets and task not in self._tasks:
            return f"no worker here hears {spoken} and writes {written}: waiting for one"
        return ""

    def _look_for_workers(self, needed: set[Task]) -> None:
        """Say when the last worker for a task that calls need is gone, and when one is back."""
        known = self._tasks
        lacking = frozenset(task for task in needed if task not in known)
        for task in lacking - self._orphaned_tasks:
            log.error("no_able_worker", reason=self._lack(task), remedy="start a worker for it")
        self._orphaned_tasks = lacking
        self._meter.without_worker(
            sum(call.call.config.task in lacking for call in self._calls.values())
        )

    def _keyword_limit(self, task: Task) -> int | None:
        """Most keywords that all living workers for `task` can use in one segment."""
        limits = [limit for one in self._fleets if (limit := one.keyword_limit(task)) is not None]
        return min(limits, default=None)

    async def _look_at_servers(self, partitions: Sequence[Partition]) -> None:
        """How full they are, and whether they still have what is not stored yet."""
        probes = await asyncio.gather(*(probe(self._redis, one) for one in partitions))
        self.memory_share = max(one.share for one in probes)
        limit = self._settings.memory_share - _MEMORY_SLACK * self._is_short_of_memory
        if (self.memory_share > limit) is not self._is_short_of_memory:
            self._is_short_of_memory = not self._is_short_of_memory
            if self._is_short_of_memory:
                log.warning("memory_short")
            else:
                log.warning("memory_enough")
        for partition, one in zip(partitions, probes, strict=True):
            lost = self._unstored.look(partition, one)
            for first in range(0, len(lost), _AT_A_TIME):
                await asyncio.gather(
                    *(tell_again(call) for call in lost[first : first + _AT_A_TIME])
                )

    async def finish_forsaken(self) -> None:
        """Bring calls to their end whose gateways are dead."""
        since = await server_time(self._redis) - self._settings.lost_seconds
        for number in range(self._partitions):
            room = _AT_A_TIME - len(self._finishing)
            for call_id in await forsaken(self._redis, Partition(number), since, room):
                if call_id not in self._calls and call_id not in self._finishing:
                    self._finishing[call_id] = asyncio.create_task(self._finish(call_id))

    async def stop(self) -> None:
        """Leave to others what is not finished; calls that are over may be stored first, if that is quick."""
        self._is_stopping = True
        with contextlib.suppress(TimeoutError, RedisError, OSError):
            async with asyncio.timeout(_FAREWELL_SECONDS):
                await self._until_stored()
        if self._unstored:
            log.warning("calls_left_unstored", entries=len(self._unstored))
        tasks = [*self._finishing.values(), *self._going]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _until_stored(self) -> None:
        while self._unstored:
            await self._look_at_servers([Partition(one) for one in range(self._partitions)])
            await asyncio.sleep(_LOOK_AGAIN)

    async def _finish(self, call_id: str) -> None:
        try:
            await self._adopt(self._workshop.queue(call_id))
        except (RedisError, OSError) as exc:
            log.warning("redis_unavailable", error=type(exc).__name__)
        finally:
            del self._finishing[call_id]

    async def _adopt(self, queue: CallQueue) -> None:
        if not await queue.adopt(self._settings.lost_seconds):
            return
        checkpoint = await queue.peek()
        if checkpoint is None:
            log.error("call_not_finished", call_id=queue.keys.call_id, remedy="update this gateway")
            return
        past = await queue.past(checkpoint)
        if past.has_ended:
            await queue.retire()
        else:
            await self._bring_to_its_end(queue, past)

    async def _bring_to_its_end(self, queue: CallQueue, past: Past) -> None:
        log.warning("call_forsaken", call_id=queue.keys.call_id, unsettled=len(past.remnants))
        finishing = self._workshop.inherit(queue, past)
        self._calls[queue.keys.call_id] = finishing
        try:
            await finishing.run()
        except* SupersededError:
            log.info("call_continued_elsewhere", call_id=queue.keys.call_id)
        finally:
            self.close(finishing)

    # Parts

    async def _check(self, opened: CallOpened, call_id: str) -> None:
        """DialectError, OverloadedError unless the call may be begun, or gone on with."""
        spoken, written = task = opened.config.task
        if not self._serves(task):
            known = ", ".join(sorted("-".join(dict.fromkeys(task)) for task in self._tasks)[:40])
            raise DialectError(
                f"no worker here hears {spoken} and writes {written}; there are {known}"
            )
        there = await self._workshop.queue(call_id).in_progress()
        if there is None and self._level_of(task) is LoadLevel.NO_NEW_CALLS:
            raise OverloadedError("too far behind for a new call: try again in a few seconds")
        if opened.token and not (there and there.opens_for(opened.token)):
            raise DialectError("no call in progress has this id and token: start a new one")
        if there and len(there.roles) != len(opened.roles):
            raise DialectError(f"this call is in progress with {len(there.roles)} channels")


def _is_over(junction: asyncio.Future[Junction]) -> bool:
    """Whether a stream that comes now begins another call."""
    if not junction.done():
        return False
    failed = junction.cancelled() or junction.exception() is not None
    return failed or not junction.result().conversation.is_live
