"""Rules with `webhook: true`: the event reaches the webhooks of the tenant once, whoever evaluates the rule."""

import time
from pathlib import Path

import pytest
from redis.asyncio import Redis
from support.api import running_api
from support.call_records import ended, final, recorded, started
from support.waiting import until_in_thread
from support.webhooks import data_of, hook, sending

from protocol.events import CardAdded
from transcripts.api.settings import ApiSettings
from transcripts.live.rule_engine import CallRules
from transcripts.live.rule_runner import raised
from transcripts.live.rules import read_yaml
from transcripts.store import Store
from transcripts.webhooks.events import EventKind

RULES = """
rules:
  - name: Cancellation
    when: {said: ["cancel my contract"]}
    webhook: true
  - name: Product
    when: {keyword: [Acme]}
    webhook: true
    card: {title: Product sheet}
  - name: Only a card
    when: {said: ["contract"]}
    card: {title: Contracts}
"""
WORDS = "please cancel my contract with Acme"


def test_a_rule_says_what_it_causes() -> None:
    rules = read_yaml(RULES.encode())
    engine = CallRules(rules)
    cards = [
        card for one in recorded("c1", started(), final(WORDS)) for card in engine.feed(one.entry)
    ]

    caused = {one.card.title: (one.adds_card, one.sends_webhook) for one in raised(cards, rules)}

    assert caused == {
        "Cancellation": (False, True),
        "Product sheet": (True, True),
        "Contracts": (True, False),
    }


@pytest.mark.parametrize("starts", [1, 2])
async def test_a_call_that_ended_while_no_api_ran_is_evaluated_once(
    redis: Redis, store: Store, tmp_path: Path, starts: int
) -> None:
    (tmp_path / "rules.yaml").write_text(RULES)
    settings = ApiSettings(rules_file=str(tmp_path / "rules.yaml"))
    now = time.time()
    async with hook() as receiver, sending(store):
        endpoint = store.webhooks.add("", receiver.url, [EventKind.RULE_RAISED])
        store.record(recorded("old", started(now - 7_200), final(WORDS), ended(duration=80_000)))
        store.record(recorded("c1", started(now - 60), final(WORDS), ended(duration=80_000)))
        for _ in range(starts):
            async with running_api(redis, store, settings):
                await until_in_thread(lambda: len(cards(store)) >= 2)
        await receiver.until(lambda it: len(it.ids) == 2)

    came = data_of(receiver.verified(endpoint.secrets[0].text), "rule.raised")
    assert sorted((one["call_id"], one["rule"]) for one in came) == [("c1", "Cancellation"), ("c1", "Product")]  # fmt: skip
    assert {one["segment_id"] for one in came} == {"0-0"}
    assert sorted(card.title for card in cards(store)) == ["Contracts", "Product sheet"]
    assert store.cards("old") == []


def cards(store: Store) -> list[CardAdded]:
    return [one.card for one in store.cards("c1") or ()]
