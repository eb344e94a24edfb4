"""The servers of a gateway beside its WebSocket port: AudioSocket over TCP, and HTTP."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import structlog
from redis.asyncio import Redis

from broker.event_log.pubsub import PubSubHub
from broker.http.event_stream import EventStreamEndpoint
from broker.http.middleware import HttpMiddleware
from broker.http.ports import opening
from broker.http.server import http_server
from broker.http.uploads import Uploads
from broker.job_store import JobStore
from protocol.auth.credentials import Permit
from protocol.dialects.base import Dialect

from ..auth.access_control import AccessController
from ..session.bridge.bridge_socket import Socket
from ..settings import GatewaySettings
from .announcements import AnnouncementEndpoint, Announcements
from .audiosocket import AudioSocketServer
from .jobs.job_callbacks import JobCallbacks
from .jobs.recording_jobs import RecordingJobs
from .recording_socket import FASTEST
from .recordings import Recordings
from .transcriptions import Transcriptions

_LEASE, _SHORTEST_LEASE = 20.0, 5.0
"""Seconds for which a gateway claims a background job; it renews the claim every two seconds."""

logger = structlog.get_logger()


@asynccontextmanager
async def side_servers(
    redis: Redis,
    partitions: int,
    pubsub_hub: PubSubHub,
    settings: GatewaySettings,
    converse: Callable[[Socket, Dialect, Permit], Awaitable[None]],
    has_room: Callable[[Permit], bool],
    access: AccessController,
    refused: Callable[[str], None],
    *,
    shares_ports: bool = False,
) -> AsyncIterator[None]:
    """
    Run the servers that the settings configure while the context is active.  Logs their ports.

    `converse` runs a call; `has_room` returns whether a call with this permit may be opened; `refused` is called
    with the reason of each refused connection, for metrics; `shares_ports`: whether other processes of a group
    listen on the same ports.
    """
    announcements = Announcements(redis)
    async with AsyncExitStack() as open_endpoints:
        if settings.http_port is not None:
            feed = EventStreamEndpoint(redis, pubsub_hub, partitions, settings.send_seconds)
            uploads = Uploads(
                settings.upload_limits, access.shared.usage if access.shared else None
            )
            pace = min(settings.audio_pace or FASTEST, FASTEST)
            callbacks = JobCallbacks(redis, settings.callback_destinations)
            await open_endpoints.enter_async_context(callbacks.running())
            jobs = RecordingJobs(
                redis,
                partitions,
                _job_store(redis, partitions, settings),
                callbacks,
                converse,
                has_room,
                pace=pace,
                patience=settings.hold_seconds,
                longest=settings.max_call_seconds,
                uploads=uploads,
            )
            await open_endpoints.enter_async_context(_until_closed(jobs))
            recordings = Recordings(
                converse,
                has_room,
                pace=pace,
                patience=settings.hold_seconds,
                longest=settings.max_call_seconds,
                uploads=uploads,
                jobs=jobs,
            )
            transcriptions = Transcriptions(
                converse,
                has_room,
                pace=pace,
                patience=settings.hold_seconds,
                uploads=uploads,
                jobs=jobs,
            )
            announcement_endpoint = AnnouncementEndpoint(
                announcements, settings.upload_bytes_per_second
            )
            endpoints = [
                feed.endpoint,
                announcement_endpoint.endpoint,
                recordings.endpoint,
                transcriptions.endpoint,
                jobs.endpoint,
            ]
            serving = http_server(
                HttpMiddleware(endpoints, access, refused),
                settings.host,
                settings.http_port,
                access.tls,
                settings.header_seconds,
                lambda: refused("evicted"),
                "http_port",
                shares_port=shares_ports,
            )
            port = await open_endpoints.enter_async_context(serving)
            open_endpoints.callback(feed.close)
            logger.info("http_listening", host=settings.host, port=port)
        if settings.audiosocket_port is not None:
            endpoint = AudioSocketServer(
                announcements,
                converse,
                has_room,
                to_all=settings.audiosocket_open,
                greeting_seconds=settings.first_message_seconds,
                refused=refused,
            )
            host = settings.audiosocket_host
            with opening(host, settings.audiosocket_port, "audiosocket_port"):
                server = await endpoint.open(
                    host, settings.audiosocket_port, shares_port=shares_ports
                )
            open_endpoints.callback(server.close)
            logger.info("audiosocket_listening", host=host, port=server.sockets[0].getsockname()[1])
        yield


def _job_store(redis: Redis, partitions: int, settings: GatewaySettings) -> JobStore:
    """A job is continued before another gateway would end its call as lost."""
    lease = max(_SHORTEST_LEASE, min(_LEASE, settings.lost_seconds / 2))
    return JobStore(redis, partitions, lease_seconds=lease, memory_share=settings.memory_share)


@asynccontextmanager
async def _until_closed(jobs: RecordingJobs) -> AsyncIterator[None]:
    watching = asyncio.create_task(jobs.run())
    try:
        yield
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
