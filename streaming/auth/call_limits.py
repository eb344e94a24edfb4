"""Limits of a call: its duration, the rate of its audio, and the time without audio."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

import structlog

from protocol.clock import to_seconds

from .settings import AuthSettings

_CHECK_SECONDS = 1.0
"""Seconds between two checks; a call may be open for so long before its first check."""

IDLE = 4408
TOO_LONG = 4413
TOO_FAST = 4429
"""Close codes, named after the HTTP status with the same meaning (408, 413, 429)."""

logger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class LimitExceeded:
    """A limit that a call has exceeded."""

    code: int
    """Close code."""

    error: str
    """Error code for programs; the end reason in the call's event log."""

    reason: str
    """Text for people: what was exceeded, and what to do."""


@dataclass(frozen=True, slots=True)
class CallLimits:
    """Limits in seconds; `pace` in multiples of real time, 0 for no limit."""

    pace: float
    burst: float
    first_audio: float
    idle: float
    longest: float


class LimitWatch:
    """
    Checks the limits of one connection.  Pure.

    `now`: a monotonic clock; `heard`: audio received since the start of the call.  All in seconds.
    """

    def __init__(self, limits: CallLimits, heard: float, now: float) -> None:
        self._limits = limits
        self._began = now
        self._first = heard
        self._last = heard
        self._moved = now
        self._excused = 0.0

    def excuse(self, seconds: float) -> None:
        """Ignore a time in which this gateway did not run: audio of that time waits to be read."""
        self._moved += seconds
        self._excused += seconds

    def poll(self, heard: float, now: float) -> LimitExceeded | None:
        """Return the limit that is exceeded now; None if there is none."""
        limits, lasted, came = self._limits, now - self._began, heard - self._first
        allowed = limits.burst + limits.pace * (lasted + _CHECK_SECONDS)
        if heard != self._last:
            self._last, self._moved = heard, now
        if limits.pace and came > allowed:
            return LimitExceeded(
                TOO_FAST, "too_fast", f"audio arrives faster than {limits.pace:g} times real time"
            )
        if max(heard, lasted) > limits.longest:
            return LimitExceeded(
                TOO_LONG,
                "too_long",
                f"a call may last at most {limits.longest:g} s: start another call",
            )
        if not came and lasted - self._excused > limits.first_audio:
            return LimitExceeded(
                IDLE, "no_audio", f"no audio arrived within {limits.first_audio:g} s"
            )
        if now - self._moved > limits.idle:
            return LimitExceeded(IDLE, "idle", f"no audio arrived for {limits.idle:g} s")
        return None


class _Conversation(Protocol):
    @property
    def began(self) -> int:
        """Position of the call when this bridge opened or continued it, on the call clock."""
        ...

    @property
    def heard(self) -> int:
        """End of the received audio, on the call clock."""
        ...


class _Session(Protocol):
    @property
    def live_call(self) -> _Conversation | None:
        """The call; None until it is opened."""
        ...

    @property
    def pending_seconds(self) -> float:
        """Received audio that is not decoded yet, in seconds."""
        ...

    def dismiss(self, code: int, error: str, reason: str) -> None:
        """End the call and close the connection."""
        ...


class CallLimiter:
    """Checks a session every second, and dismisses it if it exceeds a limit."""

    def __init__(self, settings: AuthSettings) -> None:
        self._limits = CallLimits(
            pace=settings.audio_pace,
            burst=settings.audio_burst_seconds,
            first_audio=settings.first_audio_seconds,
            idle=settings.idle_seconds,
            longest=settings.max_call_seconds,
        )

    @asynccontextmanager
    async def watching(self, session: _Session) -> AsyncIterator[None]:
        """Check the session while the context is active."""
        watching = asyncio.create_task(self._watch(session))
        try:
            yield
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    async def _watch(self, session: _Session) -> None:
        watch: LimitWatch | None = None
        while True:
            due = time.monotonic() + _CHECK_SECONDS
            await asyncio.sleep(_CHECK_SECONDS)
            if watch:
                watch.excuse(max(0.0, time.monotonic() - due))
            if session.live_call is None:
                continue
            heard, now = to_seconds(session.live_call.heard), time.monotonic()
            heard += session.pending_seconds
            watch = watch or LimitWatch(self._limits, to_seconds(session.live_call.began), now)
            if exceeded := watch.poll(heard, now):
                logger.info("call_limit_exceeded", error=exceeded.error)
                session.dismiss(exceeded.code, exceeded.error, exceeded.reason)
                return
