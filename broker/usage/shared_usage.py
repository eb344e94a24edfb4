"""
How much of something all gateway processes use together, for example calls of a tenant.

Each process records its own count in Redis for some seconds and renews it, so that the share of a process that was
killed is given back.  While Redis does not answer, each process keeps to its share of the limit.
"""

import asyncio
import contextlib
import secrets
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from ..redis_keys import usage_key
from ..redis_scripts.limits import CLAIM_USE
from ..time_limits import TimeLimit

LEASE_SECONDS = 10
"""Time after which the count of a process that has ended is not counted any more."""

_RENEW_SECONDS = 2.0
_ANSWER_SECONDS = 0.5
"""Longest wait for Redis before a claim is decided without it."""

_PENDING_SECONDS = 10.0
"""Time after which a claim lapses that nobody has used: its connection was lost."""

_NO_LIMIT = -1

logger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Usage:
    """What is counted, for example `calls`, and whose: the name of a tenant or key."""

    what: str
    whose: str


class SharedUsage:
    """The counts of this process, and those of the others."""

    def __init__(
        self, redis: Redis, processes: int = 1, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`processes`: number of processes that share a limit while Redis does not answer; `clock`: in seconds."""
        self._script = redis.register_script(CLAIM_USE.source)
        self._redis = redis
        self._name = secrets.token_hex(8)
        self._processes = processes
        self._clock = clock
        self._own: Counter[Usage] = Counter()
        self._pending: defaultdict[Usage, deque[float]] = defaultdict(deque)
        self._elsewhere: dict[Usage, tuple[int, float]] = {}
        self._changed: set[Usage] = set()
        self._is_changed = asyncio.Event()
        self._in_order = asyncio.Lock()
        """Held while a count is recorded: an older one must not arrive after it."""

    def elsewhere(self, usage: Usage) -> int:
        """Return what the other processes use, as far as it is known; 0 if it is not."""
        count, until = self._elsewhere.get(usage, (0, 0.0))
        return count if self._clock() < until else 0

    def add(self, usage: Usage, amount: int) -> None:
        """Count `amount` more, or less if it is negative.  Uses a claim if there is one."""
        self._own[usage] += amount
        if amount > 0:
            self.give_up(usage)
        if not self._own[usage]:
            del self._own[usage]
        self._changed.add(usage)
        self._is_changed.set()

    async def claim(self, usage: Usage, most: int) -> bool:
        """
        Claim one, if all processes together then use at most `most`.  Returns whether it may be used.

        Call `add` when it is used, or `give_up`.
        """
        try:
            async with TimeLimit(_ANSWER_SECONDS):
                granted = await self._publish(usage, most, claims=1)
        except (RedisError, OSError, TimeoutError):
            granted = self._count(usage) < max(1, most // self._processes)
        if granted:
            self._pending[usage].append(self._clock())
        return granted

    def give_up(self, usage: Usage) -> None:
        """Release a claim."""
        if waiting := self._pending.get(usage):
            waiting.popleft()

    async def refresh(self, *usages: Usage) -> None:
        """Learn what the other processes use now.  Keeps what was known if Redis does not answer."""
        with contextlib.suppress(RedisError, OSError, TimeoutError):
            async with TimeLimit(_ANSWER_SECONDS):
                for one in usages:
                    await self._publish(one, _NO_LIMIT)

    async def run(self) -> None:
        """Record changed counts at once, and renew all others every two seconds, until cancelled."""
        renewed = self._clock()
        while True:
            with contextlib.suppress(TimeoutError):
                async with TimeLimit(_RENEW_SECONDS):
                    await self._is_changed.wait()
            self._is_changed.clear()
            changed, self._changed = self._changed, set()
            if self._clock() >= renewed + _RENEW_SECONDS:
                changed, renewed = changed | set(self._own), self._clock()
            try:
                await self._record(changed)
            except (RedisError, OSError) as exc:
                logger.warning("redis_unavailable", error=type(exc).__name__)
                self._changed |= changed
                await asyncio.sleep(_RENEW_SECONDS)
            self._forget()

    async def _record(self, usages: set[Usage]) -> None:
        for one in usages:
            await self._publish(one, _NO_LIMIT)

    async def _publish(self, usage: Usage, most: int, claims: int = 0) -> bool:
        """Record the count of this process with `claims` more, and learn those of the others."""
        async with self._in_order:
            arguments = (self._name, self._count(usage) + claims, most, LEASE_SECONDS)
            key = usage_key(usage.what, usage.whose)
            answer: Any = await self._script(keys=[key], args=arguments)
        granted, others = answer
        self._elsewhere[usage] = int(others), self._clock() + LEASE_SECONDS
        return bool(granted)

    def _count(self, usage: Usage) -> int:
        waiting = self._pending.get(usage)
        while waiting and self._clock() - waiting[0] > _PENDING_SECONDS:
            waiting.popleft()
        return self._own[usage] + len(waiting or ())

    def _forget(self) -> None:
        """Remove what is not used any more."""
        now = self._clock()
        self._elsewhere = {one: said for one, said in self._elsewhere.items() if now < said[1]}
        for one in [one for one, waiting in self._pending.items() if not waiting]:
            del self._pending[one]
