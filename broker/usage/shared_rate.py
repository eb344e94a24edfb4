"""
A rate that counts over all gateway processes: a token bucket in Redis, from which processes take small portions.

While Redis does not answer, each process has a bucket with its share of the rate.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from math import ceil
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from protocol.auth.token_bucket import TokenBucket

from ..redis_keys import usage_key
from ..redis_scripts.limits import TAKE_TOKENS
from ..time_limits import TimeLimit

_PORTION_SECONDS = 0.05
"""Size of a portion: the tokens of that time, at least one."""

_KEEP_SECONDS = 1.0
"""Time for which a portion may be used; then it is lost, so that no process collects tokens."""

_ANSWER_SECONDS = 0.5
_MOST_NAMES = 10_000


class SharedRate:
    """Token buckets by name, with the same rate each."""

    def __init__(
        self,
        redis: Redis,
        what: str,
        rate: float,
        processes: int = 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        `what`: name of the rate in Redis; `rate`: tokens a second, and the burst; `clock`: in seconds.

        `processes`: number of processes that share the rate while Redis does not answer.
        """
        self._script = redis.register_script(TAKE_TOKENS.source)
        self._what = what
        self._rate = rate
        self._burst = max(1.0, rate)
        self._processes = processes
        self._clock = clock
        self._portions: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._alone: OrderedDict[str, TokenBucket] = OrderedDict()

    async def take(self, name: str) -> int | None:
        """Take a token of the bucket `name`.  Returns None, or the seconds to wait if there is none."""
        left, until = self._portions.pop(name, (0, 0.0))
        if left and self._clock() < until:
            self._keep(name, left - 1, until)
            return None
        portion = max(1, int(self._rate * _PORTION_SECONDS))
        try:
            async with TimeLimit(_ANSWER_SECONDS):
                arguments = (self._rate, self._burst, portion)
                answer: Any = await self._script(keys=[usage_key(self._what, name)], args=arguments)
        except (RedisError, OSError, TimeoutError):
            return self._without_redis(name)
        taken, wait = answer
        if not taken:
            return max(1, int(wait))
        self._keep(name, int(taken) - 1, self._clock() + _KEEP_SECONDS)
        return None

    def _keep(self, name: str, left: int, until: float) -> None:
        if left:
            self._portions[name] = left, until
        if len(self._portions) > _MOST_NAMES:
            self._portions.popitem(last=False)

    def _without_redis(self, name: str) -> int | None:
        now, rate = self._clock(), self._rate / self._processes
        bucket = self._alone.setdefault(name, TokenBucket(rate, max(1.0, rate), now))
        if len(self._alone) > _MOST_NAMES:
            self._alone.popitem(last=False)
        return ceil(bucket.take(1, now)) or None
