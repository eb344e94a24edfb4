"""Evaluates the rules of all followed calls, and hands what they cause on for delivery."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field

import structlog

from protocol.events import CardAdded, Entry
from protocol.tenants import parted

from .rule_engine import CallRules
from .rules import Rule

_MOST_WAITING = 2_000
"""What waits for delivery.  More is dropped, with the log event `cards_dropped`."""

_DELIVERIES = 8
"""Simultaneous deliveries."""


@dataclass(frozen=True, slots=True)
class Raised:
    """What a rule has caused.  `card` has its id and its text, also if only webhooks get it."""

    card: CardAdded
    adds_card: bool
    sends_webhook: bool


Deliver = Callable[[str, Raised], Awaitable[None]]
"""Adds a card to the call with a filed id, and queues the event for webhooks; must not raise."""

logger = structlog.get_logger()


@dataclass(slots=True)
class RuleSets:
    """The rules of the site's file, and those that tenants have set by the API."""

    file: tuple[Rule, ...] = ()
    by_tenant: dict[str, tuple[Rule, ...]] = field(default_factory=dict)

    @property
    def has_rules(self) -> bool:
        """Whether there are any rules."""
        return bool(self.file) or any(self.by_tenant.values())

    def of(self, tenant: str) -> tuple[Rule, ...]:
        """Return the rules for calls of a tenant."""
        file = (rule for rule in self.file if rule.tenant in (None, tenant))
        return (*file, *self.by_tenant.get(tenant, ()))


class RuleRunner:
    """An observer of followed calls."""

    def __init__(self, deliver: Deliver) -> None:
        self.sets = RuleSets()
        self._deliver = deliver
        self._calls: dict[str, CallRules] = {}
        self._current: set[str] = set()
        self._waiting: asyncio.Queue[tuple[str, Raised]] = asyncio.Queue(_MOST_WAITING)

    def change(self, sets: RuleSets) -> None:
        """Use other rules, for the events that come from now on."""
        self.sets = sets
        for call_id, rules in self._calls.items():
            rules.rules = sets.of(parted(call_id)[0])

    def watches(self, call_id: str) -> bool:
        """Return whether there are rules for the call with this filed id."""
        return bool(self.sets.of(parted(call_id)[0]))

    def observe(self, call_id: str, entry: Entry, *, is_current: bool) -> None:
        """See Observer."""
        rules = self._calls.get(call_id)
        if rules is None:
            rules = self._calls[call_id] = CallRules(self.sets.of(parted(call_id)[0]))
        if is_current:
            self._current.add(call_id)
        self._hand_on(call_id, rules.feed(entry))

    def forget(self, call_id: str) -> None:
        """See Observer."""
        self._calls.pop(call_id, None)
        self._current.discard(call_id)

    def tick(self, now: float) -> None:
        """See Observer."""
        for call_id in self._current:
            self._hand_on(call_id, self._calls[call_id].tick(now))

    def _hand_on(self, call_id: str, cards: Sequence[CardAdded]) -> None:
        if not cards:
            return
        for one in raised(cards, self._calls[call_id].rules):
            if self._waiting.full():
                logger.error("cards_dropped", call_id=call_id)
                return
            self._waiting.put_nowait((call_id, one))

    async def run(self) -> None:
        """Deliver until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for _ in range(_DELIVERIES):
                tasks.create_task(self._deliver_repeatedly())

    async def _deliver_repeatedly(self) -> None:
        while True:
            call_id, one = await self._waiting.get()
            await self._deliver(call_id, one)


def raised(cards: Iterable[CardAdded], rules: Iterable[Rule]) -> list[Raised]:
    """Return what the rules that have caused `cards` do."""
    by_name = {rule.name: rule for rule in rules}
    return [
        Raised(card, by_name[card.rule].card is not None, by_name[card.rule].webhook)
        for card in cards
    ]
