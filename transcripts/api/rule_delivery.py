"""Delivers what rules have caused: an event for webhooks, and a card for the call."""

import asyncio
from dataclasses import dataclass

import structlog

from protocol.clock import to_ms
from protocol.events import CardAdded

from ..live.rule_runner import Raised
from ..webhooks.events import EventKind, WebhookEvent
from .card_delivery import CardDelivery
from .messages.errors import ApiError
from .threads import StoreThreads

_ATTEMPTS = 6
_FIRST_PAUSE = 0.25
"""Seconds before the second attempt; each further pause is twice as long."""

logger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class RuleDelivery:
    """
    Delivers each cause once, in however many processes and however often it is evaluated.

    The event is queued before the card is added: a card in the log means that the event is queued.
    """

    store: StoreThreads
    cards: CardDelivery

    async def deliver(self, call_id: str, one: Raised) -> None:
        """Deliver to a call in progress (filed id), or to its latest stream."""
        if one.sends_webhook:
            await self._queue(call_id, one.card)
        if one.adds_card:
            await self.cards.deliver(call_id, one.card)

    async def _queue(self, call_id: str, card: CardAdded) -> None:
        """Queue an event, with several attempts: a call that has just begun may not be stored yet."""
        event = raised_event(card)
        for attempt in range(_ATTEMPTS):
            try:
                if await self.store.run(lambda store: store.webhooks.raise_event(call_id, event)):
                    return
            except ApiError:
                pass
            await asyncio.sleep(_FIRST_PAUSE * 2**attempt)
        logger.warning("webhook_not_queued", call_id=call_id)


def raised_event(card: CardAdded) -> WebhookEvent:
    """Return the event for webhooks of what a rule has caused."""
    data = {
        "rule": card.rule,
        "title": card.title,
        "text": card.text,
        "link": card.link,
        "at_ms": to_ms(card.at),
        "segment_id": str(card.segment) if card.segment else "",
    }
    return WebhookEvent(EventKind.RULE_RAISED, card.card_id, data=data)
