"""
Limits of request bodies: minimum rate, size, and bytes in memory.

A client may post a call while it lasts, with 8,000 bytes per second for the whole call.  So the rate is limited,
not the time.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest

from ..time_limits import TimeLimit
from ..usage.shared_usage import SharedUsage, Usage
from .limits import Share, UploadLimits

_GRACE_SECONDS = 30.0
"""Time by which a body may be late, because of pauses of a call and packet loss."""


class UploadError(Exception):
    """A body was refused.  `status`: the HTTP status; `reason`: for the log; `text`: for the client."""

    def __init__(self, status: int, reason: str, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.reason = reason


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """`longest`: most bytes of a body; `slowest`: minimum rate in bytes per second."""

    longest: int
    slowest: float


class ArrivalDeadline:
    """The time by which the next byte of a body must arrive. Pure: `now` is any clock, in seconds."""

    def __init__(self, slowest: float, now: float) -> None:
        self._slowest = slowest
        self.at = now + _GRACE_SECONDS

    def received(self, size: int, now: float) -> None:
        """Extend the deadline for `size` received bytes, at most to `_GRACE_SECONDS` from now."""
        self.at = min(now + _GRACE_SECONDS, self.at + size / self._slowest)


async def read_body(
    request: HttpRequest, limits: BodyLimits, grow: Callable[[int], None] = lambda _: None
) -> bytes:
    """
    Read the body of a request.

    `grow` is called with the size of each part.  Raises UploadError if the body is too long, too slow or
    incomplete, or if `grow` raises it.
    """
    body = bytearray()
    async for chunk in body_parts(request, limits, grow):
        body += chunk
    return bytes(body)


async def body_parts(
    request: HttpRequest, limits: BodyLimits, grow: Callable[[int], None] = lambda _: None
) -> AsyncIterator[bytes]:
    """Yield the parts of a body as they arrive; otherwise as `read_body`."""
    if _announced(request) > limits.longest:
        raise _too_long(limits)
    loop, size, stream = asyncio.get_running_loop(), 0, request.stream()
    deadline = ArrivalDeadline(limits.slowest, loop.time())
    try:
        while True:
            async with TimeLimit(deadline.at - asyncio.get_running_loop().time()):
                chunk = await anext(stream, None)
            if chunk is None:
                return
            size += len(chunk)
            if size > limits.longest:
                raise _too_long(limits)
            grow(len(chunk))
            yield chunk
            deadline.received(len(chunk), loop.time())
    except TimeoutError as exc:
        text = f"the body arrived more slowly than {limits.slowest:g} bytes a second"
        raise UploadError(408, "slow_body", text) from exc
    except ClientDisconnect as exc:
        raise UploadError(400, "cut_off", "the body ended too early") from exc


def _announced(request: HttpRequest) -> int:
    """Return `Content-Length`; 0 if there is none. The server has checked that it is a number."""
    text = request.headers.get("content-length", "0")
    return int(text) if text.isascii() and text.isdigit() else 0


def _too_long(limits: BodyLimits) -> UploadError:
    return UploadError(413, "too_long", f"more than {limits.longest} bytes")


class Shares:
    """Counts how much of a `Share` each tenant uses."""

    def __init__(
        self, share: Share, what: str, name: str = "", usage: SharedUsage | None = None
    ) -> None:
        """`usage` counts over all gateway processes, under `name`; None: only this process counts."""
        self._share = share
        self._what = what
        self._name = name
        self._usage = usage
        self._used: Counter[str] = Counter()

    def take(self, tenant: str, amount: int = 1) -> None:
        """Take an amount. Raises UploadError, and takes nothing, if there is not enough left."""
        elsewhere = self._usage.elsewhere(self.key(tenant)) if self._usage and tenant else 0
        if self._used[tenant] + elsewhere + amount > self._share.per_tenant:
            status = 429 if tenant else 503  # a site without tenants is full, not greedy
            raise UploadError(
                status, "tenant_full", f"the limit of {self._what} is reached: try again"
            )
        if self._used.total() + amount > self._share.total:
            raise UploadError(
                503, "full", f"this gateway has reached its limit of {self._what}: try again"
            )
        self._used[tenant] += amount
        if self._usage is not None and tenant:
            self._usage.add(self.key(tenant), amount)

    def key(self, tenant: str) -> Usage:
        """Return the name under which all processes count what a tenant uses."""
        return Usage(self._name, tenant)

    def give_back(self, tenant: str, amount: int = 1) -> None:
        """Return an amount that was taken."""
        self._used[tenant] -= amount
        if not self._used[tenant]:
            del self._used[tenant]
        if self._usage is not None and tenant:
            self._usage.add(self.key(tenant), -amount)

    @contextmanager
    def held(self, tenant: str) -> Iterator[None]:
        """Take one while the context is active. Raises UploadError like `take`."""
        self.take(tenant)
        try:
            yield
        finally:
            self.give_back(tenant)


class Uploads:
    """Counts the resources used by all uploads of a gateway, and of a tenant at all gateways."""

    def __init__(self, limits: UploadLimits, usage: SharedUsage | None = None) -> None:
        """`usage`: what all gateway processes use; None: only this process counts."""
        self.slowest = limits.slowest
        self.work = Shares(limits.work, "simultaneous recordings", "recordings", usage)
        self._uploads = Shares(limits.uploads, "simultaneous uploads", "uploads", usage)
        self._size = Shares(limits.size, "bytes of recordings", "upload_bytes", usage)
        self._usage = usage

    async def learn(self, tenant: str) -> None:
        """Learn what a tenant uses at the other gateway processes.  Call it before `upload`."""
        if self._usage is not None and tenant:
            keys = (one.key(tenant) for one in (self.work, self._uploads, self._size))
            await self._usage.refresh(*keys)

    @contextmanager
    def upload(self, tenant: str) -> Iterator[Callable[[int], None]]:
        """
        Count an upload while the context is active.

        Yields the function to call with the size of each part. Both raise UploadError if a limit is reached.
        """
        size = 0

        def grow(amount: int) -> None:
            nonlocal size
            self._size.take(tenant, amount)
            size += amount

        with self._uploads.held(tenant):
            try:
                yield grow
            finally:
                if size:
                    self._size.give_back(tenant, size)
