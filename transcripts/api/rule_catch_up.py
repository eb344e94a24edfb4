"""
Evaluates the rules on calls that ended while no API process followed them.

A call in progress is followed from the start of its log, so nothing of it is missed.  A call that ended lately is
evaluated from the store when the process starts.  What was delivered already is not delivered again.
"""

import asyncio
import time
from dataclasses import dataclass

import structlog

from protocol.events import Entry
from protocol.tenants import parted

from ..live.rule_engine import CallRules
from ..live.rule_runner import Raised, RuleRunner, raised
from ..live.rules import Rule
from .messages.errors import ApiError
from .rule_delivery import RuleDelivery
from .threads import StoreThreads

_SECONDS = 900.0
"""Calls that ended before are not evaluated: so long is the log of an ended call kept for other readers."""

_MOST_CALLS = 2_000

logger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class RuleCatchUp:
    """Evaluates lately ended calls once."""

    store: StoreThreads
    runner: RuleRunner
    delivery: RuleDelivery

    async def run(self) -> None:
        """Evaluate all.  Silence is not found: the store does not have the starts of speech."""
        since = time.time() - _SECONDS
        try:
            for name in await self.store.run(lambda store: store.ended_since(since, _MOST_CALLS)):
                await self._evaluate(name)
        except ApiError as exc:
            logger.warning("rules_not_caught_up", code=exc.code)
        except Exception as exc:  # noqa: BLE001  # the rules of calls in progress must still be read
            logger.error("rules_not_caught_up", error=type(exc).__name__)

    async def _evaluate(self, name: str) -> None:
        rules = self.runner.sets.of(parted(name)[0])
        if not rules or not (entries := await self.store.run(lambda store: store.events(name))):
            return
        for one in await asyncio.to_thread(_caused, entries, rules):
            await self.delivery.deliver(name, one)


def _caused(entries: list[Entry], rules: tuple[Rule, ...]) -> list[Raised]:
    engine = CallRules(rules)
    cards = [card for entry in entries for card in engine.feed(entry)]
    return raised(cards, rules)
