"""Commands to calls in progress, which the HTTP API sends through Redis: keywords, pause, resume, cards."""

import asyncio
from collections.abc import Callable

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from broker.call_commands import send_reply
from broker.event_log.pubsub import PubSubHub
from broker.redis_keys import Partition
from protocol.calls.call_commands import (
    NO_ROOM_FOR_CARD,
    AddCard,
    Command,
    CommandError,
    Pause,
    ReadLevels,
    Reply,
    Resume,
    SetKeywords,
    decode_request,
)
from protocol.events import Audience, CardAdded, SegmentId

from .calls.live_call import LiveCall

_ENDED = Reply("this call is not in progress any more")

logger = structlog.get_logger()


class CommandListener:
    """Performs the commands to the calls of this gateway, and replies.  Other gateways ignore them."""

    def __init__(
        self,
        redis: Redis,
        pubsub_hub: PubSubHub,
        partitions: int,
        find: Callable[[str], LiveCall | None],
    ) -> None:
        """`find` returns the call in progress with a filed id, if this gateway owns it."""
        self._redis = redis
        self._pubsub_hub = pubsub_hub
        self._partitions = [Partition(number) for number in range(partitions)]
        self._find = find

    async def run(self) -> None:
        """Listen until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for partition in self._partitions:
                tasks.create_task(self._listen(partition))

    async def _listen(self, partition: Partition) -> None:
        async with self._pubsub_hub.listen(partition.commands) as news:
            while True:
                await self._take(await news.get())

    async def _take(self, payload: bytes) -> None:
        try:
            request = decode_request(payload)
        except CommandError:
            logger.warning("command_unreadable")
            return
        call = self._find(request.call_id)
        if call is None:
            return
        try:
            await send_reply(self._redis, request.reply_to, perform(call, request.command))
        except (RedisError, OSError) as exc:
            logger.warning("redis_unavailable", error=type(exc).__name__)


def perform(call: LiveCall, command: Command) -> Reply:
    """Perform a command and return the reply."""
    if not call.is_live:
        return _ENDED
    match command:
        case SetKeywords(terms):
            applied = call.replace_keywords(terms)
            return Reply("", applied.revision, applied.accepted, applied.rejected)
        case Pause():
            call.withhold()
            return Reply(paused=True)
        case Resume():
            call.stop_withholding()
            return Reply(paused=False)
        case AddCard():
            return _add_card(call, command)
        case ReadLevels():
            return Reply(levels=call.levels)


def _add_card(call: LiveCall, command: AddCard) -> Reply:
    try:
        segment = SegmentId.parse(command.segment) if command.segment else None
        audience = Audience(command.audience or Audience.EVERYONE)
    except ValueError:
        return Reply("segment or audience of the card is invalid")
    at = call.heard if command.at is None else command.at
    card = CardAdded(
        command.card_id, command.title, at, command.text, command.link, audience, segment, command.rule
    )  # fmt: skip
    return Reply(at=at) if call.add_card(card) else Reply(NO_ROOM_FOR_CARD)
