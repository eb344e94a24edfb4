"""Receivers of webhooks as they are: slow, dead, redirecting, faulty; and a sender with a clock of its own."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import Engine
from standardwebhooks import Webhook
from support.stores import with_tables
from support.waiting import PATIENCE, until

from broker.outgoing.http_client import OutgoingHttp
from protocol.outgoing.destinations import Destinations, destinations_in
from transcripts.database.opening import open_database
from transcripts.store import Store
from transcripts.webhooks.endpoint import DeliveryState, WebhookDelivery
from transcripts.webhooks.meter import WebhookMeter
from transcripts.webhooks.sender import WebhookSender

LOCAL = destinations_in("127.0.0.0/8")

_Result = TypeVar("_Result")


@dataclass(slots=True)
class Hook:
    """A server of a tenant.  `answer` gives the lines of the answer for the number of the request, from 0."""

    answer: Callable[[int], str | Awaitable[str]] = lambda _: "200 OK"
    port: int = 0
    headers: list[dict[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def url(self) -> str:
        """The URL of the server."""
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def ids(self) -> set[str]:
        """The `webhook-id` of all requests."""
        return {one["webhook-id"] for one in self.headers}

    async def until(self, done: Callable[["Hook"], bool]) -> None:
        """Wait until what has come fulfils a condition."""
        async with asyncio.timeout(PATIENCE), self._news:
            await self._news.wait_for(lambda: done(self))

    def verified(self, secret: str) -> list[dict[str, Any]]:
        """Return the bodies, each verified as a receiver does it."""
        checker = Webhook(secret)
        pairs = zip(self.bodies, self.headers, strict=True)
        return [checker.verify(body.decode(), headers) for body, headers in pairs]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take one request."""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            pairs = (line.split(": ", 1) for line in lines[1:] if line)
            headers = {name.lower(): value for name, value in pairs}
            body = await reader.readexactly(int(headers["content-length"]))
            number = len(self.bodies)
            self.headers.append(headers)
            self.bodies.append(body)
            async with self._news:
                self._news.notify_all()
            answer = self.answer(number)
            lines_ = answer if isinstance(answer, str) else await answer
            writer.write(f"HTTP/1.1 {lines_}\r\ncontent-length: 2\r\n\r\nok".encode())
            await writer.drain()
        writer.close()


@asynccontextmanager
async def hook(
    answer: Callable[[int], str | Awaitable[str]] = lambda _: "200 OK",
    host: str = "127.0.0.1",
    port: int = 0,
) -> AsyncIterator[Hook]:
    """Serve while the context is active."""
    made = Hook(answer)
    server = await asyncio.start_server(made.serve, host, port)
    async with server:
        made.port = server.sockets[0].getsockname()[1]
        yield made


@dataclass(slots=True)
class Clock:
    """Unix seconds that a test moves."""

    seconds: float = 1_800_000_000.0

    def __call__(self) -> float:
        """Return the present."""
        return self.seconds


@dataclass(frozen=True, slots=True)
class ClockedStore:
    """A store with a clock of the test."""

    store: Store
    clock: Clock
    engine: Engine

    async def run(self, work: Callable[[], _Result]) -> _Result:
        """Do something off the event loop."""
        return await asyncio.to_thread(work)

    async def deliveries(self, webhook_id: str, tenant: str = "") -> list[WebhookDelivery]:
        """Return all deliveries of an endpoint, the latest first."""
        hooks = self.store.webhooks
        page = await asyncio.to_thread(hooks.deliveries, tenant, webhook_id, None, 200)
        assert page is not None
        return list(page.deliveries)

    async def until(self, webhook_id: str, state: DeliveryState) -> None:
        """Wait until all deliveries of an endpoint are in `state`; move the clock to the next attempt."""

        async def are_in_it() -> bool:
            found = await self.deliveries(webhook_id)
            await self.move_on(webhook_id, found)
            return bool(found) and {one.state for one in found} == {state}

        await until(are_in_it)

    async def move_on(self, webhook_id: str, found: Sequence[WebhookDelivery]) -> None:
        """Move the clock to the time at which the next of these deliveries is sent."""
        due = [one.due_at for one in found if one.state is DeliveryState.WAITING]
        state = await asyncio.to_thread(self.store.webhooks.endpoint, "", webhook_id)
        if state and due:
            next_ = max(min(due), state.endpoint.paused_until)
            self.clock.seconds = max(self.clock.seconds, next_)


def clocked(url: str) -> ClockedStore:
    """Open a store with a clock that a test moves."""
    engine, clock = open_database(with_tables(url)), Clock()
    return ClockedStore(Store(engine, clock), clock, engine)


@asynccontextmanager
async def sending(
    store: Store, destinations: Destinations = LOCAL, *, disable_days: float = 5
) -> AsyncIterator[WebhookMeter]:
    """Send what is due while the context is active."""
    meter = WebhookMeter()
    with ThreadPoolExecutor(1) as thread:

        def threads(work: Callable[[], _Result]) -> Awaitable[_Result]:
            return asyncio.get_running_loop().run_in_executor(thread, work)

        client = OutgoingHttp(destinations)
        sender = WebhookSender(store.webhooks, client, threads, 7, disable_days, meter)
        running = asyncio.ensure_future(sender.run())
        try:
            yield meter
        finally:
            assert not running.done(), running.exception()
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


def data_of(bodies: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    """Return `data` of the requests of a type."""
    return [one["data"] for one in bodies if one["type"] == kind]


def read(body: bytes) -> dict[str, Any]:
    """Return the JSON of a request."""
    found: dict[str, Any] = json.loads(body)
    return found
