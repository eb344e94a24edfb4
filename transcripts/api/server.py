"""The API process: serves the operations on one port."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import msgspec
import structlog
from redis.asyncio import Redis
from starlette.requests import Request
from starlette.responses import Response

from broker.credentials.shared_secret import SharedSecret
from broker.event_log.pubsub import PubSubHub
from broker.http.certificates import CertificateError
from broker.http.event_stream import EventStreamEndpoint
from broker.http.middleware import Endpoint, HttpMiddleware
from broker.http.server import http_server
from protocol.auth.credentials import KeyringError
from protocol.auth.http_routes import Route
from protocol.operator_error import OperatorError

from ..live.follower import CallFollower
from ..live.rule_runner import RuleRunner, RuleSets
from ..live.rules import RuleError
from ..live.view_stream import ViewStreams
from ..store import Store
from ..web.pages import page_endpoints
from .access import ApiAccess
from .card_delivery import CardDelivery
from .messages.errors import ApiError
from .messages.responses import error_response
from .metrics import ApiMeter
from .operations import Operation
from .page_credentials import PageCredentials
from .reference.openapi import document
from .reference.reference_page import reference_page
from .routes.analysis_routes import AnalysisRoutes
from .routes.audio_routes import AudioRoutes
from .routes.board_routes import BoardRoutes
from .routes.call_routes import CallRoutes
from .routes.card_routes import CardRoutes
from .routes.connect_routes import ConnectRoutes
from .routes.event_routes import EventRoutes
from .routes.health_routes import HealthRoutes
from .routes.live_routes import LiveRoutes
from .routes.rule_routes import RuleRoutes, rules_in
from .routes.session_routes import SessionRoutes
from .routes.webhook_routes import WebhookRoutes
from .rule_catch_up import RuleCatchUp
from .rule_delivery import RuleDelivery
from .settings import ApiSettings
from .threads import StoreThreads

if TYPE_CHECKING:
    from .mcp_endpoint import McpEndpoint


logger = structlog.get_logger()


class ApiSetupError(OperatorError):
    """The API cannot start: the operator must correct the settings.  The text says which."""


class Api:
    """Answers HTTP requests about calls."""

    def __init__(
        self,
        redis: Redis,
        partitions: int,
        store: Store,
        settings: ApiSettings,
        meter: ApiMeter | None = None,
    ) -> None:
        """`redis` must return bytes.  Raises ApiSetupError if keys or certificates cannot be used."""
        self._settings = settings
        self._meter = meter or ApiMeter()
        self._threads = StoreThreads(store, settings.threads, settings.waiting)
        self._pubsub_hub = PubSubHub(redis)
        self._live = EventStreamEndpoint(redis, self._pubsub_hub, partitions, settings.send_seconds)
        self._secret = SharedSecret(redis)
        credentials = PageCredentials(lambda: self._secret.known, bool(settings.keys_file))
        try:
            self._access = ApiAccess(settings, credentials)
            file = rules_in(settings.rules_file)
        except (KeyringError, CertificateError, RuleError) as exc:
            raise ApiSetupError(str(exc)) from exc
        delivery = CardDelivery(self._threads, redis, partitions)
        rule_delivery = RuleDelivery(self._threads, delivery)
        self._runner = RuleRunner(rule_delivery.deliver)
        self._runner.change(RuleSets(file))
        self._follower = CallFollower(
            redis, self._pubsub_hub, partitions, self._people, [self._runner]
        )
        self._views = ViewStreams(self._follower, settings.send_seconds)
        self._follower.wanted = self._is_followed
        self._follower.is_wanted = lambda: self._views.has_readers or self._runner.sets.has_rules
        self._rules = RuleRoutes(self._threads, self._runner, self._follower)
        self._background: list[asyncio.Task[None]] = []
        self._catch_up = RuleCatchUp(self._threads, self._runner, rule_delivery)
        self.operations: list[Operation] = [
            *CallRoutes(self._threads, redis, partitions, settings.audio_folder).operations(),
            *AnalysisRoutes(self._threads).operations(),
            *AudioRoutes(self._threads, settings.audio_folder, settings.audio_keys).operations(),
            *EventRoutes(self._threads, redis, partitions, self._live).operations(),
            *LiveRoutes(self._threads, redis, partitions).operations(),
            *SessionRoutes(
                self._threads, redis, partitions, credentials, settings.is_public_tls
            ).operations(),
            *BoardRoutes(self._views, self._threads).operations(),
            *CardRoutes(delivery).operations(),
            *self._rules.operations(),
            *WebhookRoutes(self._threads, settings.webhook_destinations).operations(),
            *HealthRoutes(self._threads, redis, partitions).operations(),
            *ConnectRoutes(self._threads, settings, redis).operations(),
        ]

    def _is_followed(self, call_id: str) -> bool:
        """Return whether the events of a call are read: somebody watches it, or there are rules for it."""
        return self._views.shows(call_id) or self._runner.watches(call_id)

    async def _people(self, call_ids: list[str]) -> dict[str, tuple[str, tuple[str, ...]]]:
        try:
            return await self._threads.run(lambda store: store.people(call_ids))
        except ApiError:
            return {}

    async def run(self, listening: Callable[[int], None]) -> None:
        """
        Serve until cancelled.  `listening` is called with the port.

        Ends with the error of a background task that fails: its work, such as reading the keys again, must go on.
        """
        async with self.serving() as port:
            listening(port)
            await asyncio.gather(*self._background)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[int]:
        """Serve while the context is active.  Yields the port."""
        settings = self._settings
        endpoints = [
            *(one.endpoint for one in self.operations),
            *_documents(self.operations),
            *page_endpoints(settings.embedding_origins, settings.gateway_url),
        ]
        app = self._guarded(endpoints)
        work: list[Callable[[], Coroutine[Any, Any, None]]] = [
            self._pubsub_hub.run,
            self._access.run,
            self._follower.run,
            self._views.run,
            self._runner.run,
            self._run_rules,
        ]
        if settings.mcp:
            assistants = _assistants(app)
            app = self._guarded([*endpoints, assistants.endpoint])
            work.append(assistants.run)
        if settings.keys_file:
            await self._secret.refresh()
            work.append(self._secret.run)
        self._background = [asyncio.create_task(_needed(one)) for one in work]
        try:
            async with http_server(
                app,
                settings.host,
                settings.port,
                self._access.tls,
                settings.header_seconds,
                lambda: self._meter.refused("evicted"),
            ) as port:
                yield port
                self._close_streams()
        finally:
            self._close_streams()
            for task in self._background:
                task.cancel()
            await asyncio.gather(*self._background, return_exceptions=True)
            await asyncio.to_thread(self._threads.close)

    def _guarded(self, endpoints: list[Endpoint]) -> HttpMiddleware:
        return HttpMiddleware(endpoints, self._access, self._meter.refused, error_response)

    async def _run_rules(self) -> None:
        """Read the rules again and again; with the first ones, evaluate calls that ended meanwhile."""
        async with asyncio.TaskGroup() as tasks:
            with contextlib.suppress(ApiError):  # `run` logs it
                await self._rules.refresh()
            tasks.create_task(self._catch_up.run())
            tasks.create_task(self._rules.run())

    def _close_streams(self) -> None:
        self._live.close()
        self._views.close()


async def _needed(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a background task of the API, and log its failure."""
    try:
        await work()
    except Exception as exc:
        logger.error("background_task_failed", error=type(exc).__name__)
        raise


def _assistants(app: HttpMiddleware) -> "McpEndpoint":
    try:
        from .mcp_endpoint import McpEndpoint  # noqa: PLC0415  # an extra, and slow to import
    except ModuleNotFoundError as exc:
        raise ApiSetupError("api.mcp needs the package mcp: pip install 'trunkline[mcp]'") from exc
    return McpEndpoint(app)


def _documents(operations: list[Operation]) -> list[Endpoint]:
    """Return the endpoints of the OpenAPI document and of the page that shows it."""

    @cache
    def content() -> bytes:
        return msgspec.json.encode(described(operations))

    async def openapi(_: Request) -> Response:
        return Response(content(), media_type="application/json")

    return [
        Endpoint(Route("/openapi.json", None), openapi),
        Endpoint(Route("/docs", None), reference_page),
    ]


def described(operations: list[Operation]) -> dict[str, Any]:
    """Return the OpenAPI document of `operations`."""
    return document(operations, version("trunkline"))
