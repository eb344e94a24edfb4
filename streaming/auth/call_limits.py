"""How long, how fast and how silent a call may be."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

import structlog

from protocol.clock import to_seconds

from .settings import AuthSettings

_LOOK_SECONDS = 1.0

IDLE = 4408
TOO_LONG = 4413
TOO_FAST = 4429
"""Close codes of ours, after those of HTTP that mean the same."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class LimitExceeded:
    """A limit that a call has broken."""

    code: int
    """Close code."""

    error: str
    """For programs; stands in the call's log as the reason of its end."""

    reason: str
    """For people: what was wrong, and what to do."""


@dataclass(frozen=True, slots=True)
class Limits:
    """In seconds; `pace` in multiples of real time, 0 for any."""

    pace: float
    burst: float
    first_audio: float
    idle: float
    longest: float


class LimitWatch:
    """One connection's account.  Pure: `now` is a monotonic clock, `heard` what has come since the call began."""

    def __init__(self, limits: Limits, heard: float, now: float) -> None:
        self._limits = limits
        self._began = now
        self._first = heard
        self._last = heard
        self._moved = now
        self._excused = 0.0

    def excuse(self, seconds: float) -> None:
        """We stood still for so long: what the bridge said meanwhile waits to be read."""
        self._moved += seconds
        self._excused += seconds

    def poll(self, heard: float, now: float) -> LimitExceeded | None:
        """The limit that is broken by now, if any."""
        limits, lasted, came = self._limits, now - self._began, heard - self._first
        if heard != self._last:
            self._last, self._moved = heard, now
        if limits.pace and came > limits.burst + limits.pace * lasted:
            return LimitExceeded(
                TOO_FAST, "too_fast", f"audio comes faster than {limits.pace:g} times real time"
            )
        if max(heard, lasted) > limits.longest:
            return LimitExceeded(
                TOO_LONG, "too_long", f"a call may last {limits.longest:g} s: start another"
            )
        if not came and lasted - self._excused > limits.first_audio:
            return LimitExceeded(IDLE, "no_audio", f"no audio came within {limits.first_audio:g} s")
        if now - self._moved > limits.idle:
            return LimitExceeded(IDLE, "idle", f"no audio came for {limits.idle:g} s")
        return None


class _Conversation(Protocol):
    @property
    def began(self) -> int:
        """Where the call stood when this bridge took it up."""
        ...

    @property
    def heard(self) -> int:
        """Samples on the call's clock."""
        ...


class _Session(Protocol):
    @property
    def live_call(self) -> _Conversation | None:
        """None until the call is opened."""
        ...

    @property
    def pending_seconds(self) -> float:
        """Audio that has come and is not decoded yet."""
        ...

    def dismiss(self, code: int, error: str, reason: str) -> None:
        """End the call and close the connection."""
        ...


class CallLimiter:
    """Looks at a session every second, and dismisses it when it breaks a limit."""

    def __init__(self, settings: AuthSettings) -> None:
        self._limits = Limits(
            pace=settings.audio_pace,
            burst=settings.audio_burst_seconds,
            first_audio=settings.first_audio_seconds,
            idle=settings.idle_seconds,
            longest=settings.max_call_seconds,
        )

    @asynccontextmanager
    async def watching(self, session: _Session) -> AsyncIterator[None]:
        """While the context lasts."""
        watching = asyncio.create_task(self._watch(session))
        try:
            yield
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    async def _watch(self, session: _Session) -> None:
        watch: LimitWatch | None = None
        while True:
            due = time.monotonic() + _LOOK_SECONDS
            await asyncio.sleep(_LOOK_SECONDS)
            if watch:
                watch.excuse(max(0.0, time.monotonic() - due))
            if session.live_call is None:
                continue
            heard, now = to_seconds(session.live_call.heard), time.monotonic()
            heard += session.pending_seconds
            watch = watch or LimitWatch(self._limits, to_seconds(session.live_call.began), now)
            if breach := watch.poll(heard, now):
                log.info("call_dismissed", error=breach.error)
                session.dismiss(breach.code, breach.error, breach.reason)
                return
