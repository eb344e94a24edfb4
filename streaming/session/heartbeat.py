"""
Sends the heartbeat of a gateway from a thread with its own connection, so that it does not wait behind audio.

Other gateways take over the calls of a gateway whose heartbeat stops.  A busy gateway must continue to send
heartbeats; a gateway whose event loop hangs must not.  So the thread sends none while the loop has not run for
`limit` seconds.  A stopped process (SIGSTOP) sends none either, and starts again when it continues.
"""

import contextlib
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import structlog
from redis import Redis as BlockingRedis
from redis.exceptions import RedisError

from broker.redis_scripts.scripts import HEARTBEAT

from ..call.ownership import Ownership
from ..overload.gateway_load import OBSERVATIONS_PER_SECOND, LoopSample
from .cpu_times import CpuTimes, thread_times

_EVERY = 1.0
"""Seconds between two heartbeats."""

_LOAD_SECONDS = 1 / OBSERVATIONS_PER_SECOND
"""Seconds between two observations of the load."""

_AT_A_TIME = 128
"""Most calls in one script, so that Redis serves other clients in between."""

_FRESH_SECONDS = 2.5
"""Calls write their checkpoints every two seconds."""

logger = structlog.get_logger()


def fresh_seconds(lost_seconds: float) -> float:
    """Return the age up to which a call's checkpoint counts as its heartbeat, so that the thread sends none."""
    return min(_FRESH_SECONDS, lost_seconds / 10)


class LoopWatch:
    """
    When the event loop last ran, by a monotonic clock, and how busy it was.

    Written by the loop; `silent_seconds` is read by the heartbeat thread.

    The process measures the delay of its event loop in one place, and reports each measurement by `observe`.
    """

    def __init__(
        self,
        observed: Callable[[LoopSample], None],
        clock: Callable[[], float] = time.monotonic,
        cpu_times: Callable[[], CpuTimes] = thread_times,
    ) -> None:
        """
        `observed` is called in the loop, at most four times a second.

        `cpu_times`: CPU times of the thread that calls it.
        """
        self._observed = observed
        self._clock = clock
        self._cpu_times = cpu_times
        self._turned = self._told = clock()
        self._before: CpuTimes | None = None
        self._lags: list[float] = []

    @property
    def silent_seconds(self) -> float:
        """Seconds since the event loop last ran."""
        return self._clock() - self._turned

    def observe(self, seconds: float) -> None:
        """Take a measured delay of the event loop, in seconds.  Call it from the loop, several times a second."""
        self._turned = self._clock()
        self._lags.append(seconds)
        if (passed := self._turned - self._told) >= _LOAD_SECONDS:
            self._told = self._turned
            self._observed(self._sample(passed))
            self._lags.clear()

    def _sample(self, passed: float) -> LoopSample:
        """Return what was measured in the `passed` seconds since the last observation."""
        before, self._before = self._before, self._cpu_times()
        lag = sum(self._lags) / len(self._lags)
        if before is None:
            return LoopSample(lag, 0.0)
        used = (self._before.used - before.used) / passed
        waited = (self._before.waited - before.waited) / passed
        return LoopSample(lag, min(1.0, used), min(1.0, max(0.0, waited)))


class Heartbeat:
    """Tells Redis that the owner of each call is alive: once a second, unless its checkpoint has just told it."""

    def __init__(
        self,
        connect: Callable[[], BlockingRedis],
        owned: Callable[[], Sequence[Ownership]],
        watch: LoopWatch,
        limit: float,
    ) -> None:
        """
        `owned` returns the calls to tell of, and is called in the thread.

        A loop that has not run for `limit` seconds counts as hung.
        """
        self._connect = connect
        self._owned = owned
        self._watch = watch
        self._limit = limit
        self._stopped = threading.Event()
        self._beaten = time.monotonic()

    @property
    def age_seconds(self) -> float:
        """Seconds since Redis last accepted a heartbeat."""
        return time.monotonic() - self._beaten

    @contextmanager
    def heartbeating(self) -> Iterator[None]:
        """Send heartbeats while the context is active."""
        thread = threading.Thread(target=self._run, daemon=True, name="heartbeat")
        thread.start()
        try:
            yield
        finally:
            self._stopped.set()  # not joined: a Redis that does not answer must not hold up the loop

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                with contextlib.closing(self._connect()) as redis:
                    self._heartbeat_loop(redis)
            except Exception as exc:  # noqa: BLE001  # cluster errors are not RedisErrors; the loop tries again
                logger.warning("heartbeat_failed", error=type(exc).__name__)
                self._stopped.wait(_EVERY)

    def _heartbeat_loop(self, redis: BlockingRedis) -> None:
        """Send heartbeats over one connection until stopped."""
        was_dead = False
        while not self._stopped.wait(_EVERY):
            silent = self._watch.silent_seconds
            is_dead = silent > self._limit
            if is_dead and not was_dead:
                logger.error("event_loop_blocked", seconds=round(silent, 1))
            was_dead = is_dead
            if not is_dead:
                with contextlib.suppress(RedisError, OSError):  # the next one comes in a second
                    self._heartbeat(redis)

    def _heartbeat(self, redis: BlockingRedis) -> None:
        """Run one script per partition and 128 calls.  The script ignores calls that have another owner now."""
        shares: dict[str, list[Ownership]] = defaultdict(list)
        for one in self._owned():
            shares[one.calls].append(one)
        for calls, owned in shares.items():
            for first in range(0, len(owned), _AT_A_TIME):
                share = owned[first : first + _AT_A_TIME]
                keys = [calls, *(one.meta for one in share)]
                said = [text for one in share for text in (one.log, one.owner, one.call_id)]
                redis.eval(HEARTBEAT.source, len(keys), *keys, *said)
        self._beaten = time.monotonic()
