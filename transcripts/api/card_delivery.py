"""Adds cards to calls: by the gateway while a call is in progress, afterwards in the store."""

import asyncio
from dataclasses import dataclass, replace

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from broker.call_commands import send_command
from broker.erasure import is_in_progress
from broker.redis_keys import CallKeys
from protocol.calls.call_commands import NO_ROOM_FOR_CARD, AddCard, CommandError
from protocol.events import CardAdded

from .messages.errors import ApiError
from .threads import StoreThreads

_REPLY_SECONDS = 3.0
_ATTEMPTS = 6
_FIRST_PAUSE = 0.25
"""Seconds before the second attempt; each further pause is twice as long."""

_FULL = ApiError(409, "no_room", NO_ROOM_FOR_CARD)

logger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class CardDelivery:
    """
    Adds a card exactly once: a call has one card with an id.

    The gateway that owns a call writes the card into the event log, so that every reader gets it in its place.
    """

    store: StoreThreads
    redis: Redis
    partitions: int

    async def add(self, call_id: str, card: CardAdded, *, at_now: bool) -> CardAdded | None:
        """
        Add a card to the call with this filed id.  Returns it with its position; None if there is no such call.

        `at_now`: while the call is in progress, its position is the present.  Raises ApiError if the call has no
        room, or its gateway does not answer.
        """
        keys = CallKeys.of(call_id, self.partitions)
        if await is_in_progress(self.redis, keys):
            at = await self._by_gateway(keys, card, at_now=at_now)
            if at is not None:
                return replace(card, at=at)
        stored = await self.store.run(lambda store: store.cards(call_id))
        if stored is None:
            return None
        if not await self.store.run(lambda store: store.add_card(call_id, card)):
            raise _FULL
        return card

    async def _by_gateway(self, keys: CallKeys, card: CardAdded, *, at_now: bool) -> int | None:
        """Return the position that the gateway gave to the card; None if the call has ended meanwhile."""
        command = AddCard(
            card.card_id,
            card.title,
            card.text,
            card.link,
            card.audience,
            str(card.segment) if card.segment else "",
            None if at_now else card.at,
            card.rule,
        )
        try:
            reply = await send_command(self.redis, keys, command, _REPLY_SECONDS)
        except CommandError as exc:
            raise ApiError(503, "no_reply", str(exc)) from exc
        if reply is None:
            if await is_in_progress(self.redis, keys):
                text = "the gateway of this call does not answer now; try again"
                raise ApiError(503, "no_reply", text)
            return None
        if reply.refused == NO_ROOM_FOR_CARD:
            raise _FULL
        return None if reply.refused else reply.at

    async def deliver(self, call_id: str, card: CardAdded) -> None:
        """Add the card of a rule, with several attempts: a call that has just ended may not be stored yet."""
        for attempt in range(_ATTEMPTS):
            try:
                if await self.add(call_id, card, at_now=False) is not None:
                    return
            except ApiError as exc:
                if exc is _FULL:
                    break
            except (RedisError, OSError):
                pass
            await asyncio.sleep(_FIRST_PAUSE * 2**attempt)
        logger.warning("card_not_added", call_id=call_id)
