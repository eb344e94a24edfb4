"""A listener that receives the events of one call over a WebSocket."""

import asyncio

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from broker.event_log.log_positions import LogStatus, read_log_status
from broker.event_log.log_reader import LogReader, read_across_logs
from broker.event_log.pubsub import PubSubHub
from broker.redis_keys import CallKeys
from broker.time_limits import PeerTimeLimit
from protocol.events import Partial
from protocol.events.event_codec import EventJsonWriter

logger = structlog.get_logger()


async def reading(
    redis: Redis, pubsub_hub: PubSubHub, keys: CallKeys, call_id: str, after: int
) -> tuple[LogReader | None, EventJsonWriter]:
    """
    Return a reader of a call's events after the seq `after`, and the writer of their JSON.

    The reader is None if `after` is the end of the call.
    """
    try:
        log_status = await read_log_status(redis, keys)
    except (RedisError, OSError):
        log_status = LogStatus((), 0, None)  # the log reader waits until Redis answers
    is_over = after == log_status.ended
    log_reader = None if is_over else LogReader(redis, pubsub_hub, keys, after, log_status)
    return log_reader, EventJsonWriter(call_id, log_status.roles)


class Subscriber:
    """Sends the public events of a call until it has ended or the listener disconnects."""

    def __init__(
        self,
        socket: ServerConnection,
        event_writer: EventJsonWriter,
        log_reader: LogReader,
        send_limit: float,
    ) -> None:
        """`send_limit`: seconds that the listener may take to read one event."""
        self._socket = socket
        self._event_writer = event_writer
        self._log_reader = log_reader
        self._send_limit = send_limit

    async def run(self) -> None:
        """Send events.  A listener that does not read is disconnected; it finds all events in the log next time."""
        leaving = asyncio.create_task(self._socket.wait_closed())
        following = asyncio.create_task(self._follow())
        await asyncio.wait({leaving, following}, return_when=asyncio.FIRST_COMPLETED)
        for task in (leaving, following):
            task.cancel()
        await asyncio.gather(leaving, following, return_exceptions=True)

    async def _follow(self) -> None:
        async for entry in read_across_logs(self._log_reader):
            if entry is None:
                await self._send(self._event_writer.begin_again())
            elif not (isinstance(entry.event, Partial) and self._is_behind()):
                await self._send(
                    self._event_writer.write(entry)
                )  # partials are left out when behind, finals never
        await self._socket.close(1000)

    def _is_behind(self) -> bool:
        return self._socket.transport.get_write_buffer_size() > 0

    async def _send(self, message: str) -> None:
        try:
            async with PeerTimeLimit(self._send_limit):
                await self._socket.send(message)
        except TimeoutError:
            logger.warning("listener_does_not_read")
            self._socket.transport.abort()
            raise ConnectionClosed(None, None) from None
