"""The rules of tenants in the API process: parsed when they change, not whenever they are read."""

from redis.asyncio import Redis

from broker.event_log.pubsub import PubSubHub
from transcripts.api.routes.rule_routes import RuleRoutes
from transcripts.api.threads import StoreThreads
from transcripts.live.follower import CallFollower
from transcripts.live.rule_runner import Raised, RuleRunner
from transcripts.live.rules import CardText, Rule, When, write_json
from transcripts.store import Store


def rules(phrase: str) -> str:
    return write_json([Rule("a", When(said=[phrase]), CardText("t"))])


async def _deliver(call_id: str, one: Raised) -> None:
    raise AssertionError


async def _people(_: list[str]) -> dict[str, tuple[str, tuple[str, ...]]]:
    return {}


async def test_the_rules_of_a_tenant_are_parsed_again_only_when_they_change(
    redis: Redis, store: Store
) -> None:
    runner = RuleRunner(_deliver)
    threads = StoreThreads(store, 1, 8)
    routes = RuleRoutes(threads, runner, CallFollower(redis, PubSubHub(redis), 1, _people))
    store.set_rules("acme", rules("x"))
    store.set_rules("globex", rules("x"))
    await routes.refresh()
    first = runner.sets

    await routes.refresh()
    same = runner.sets
    store.set_rules("acme", rules("y"))
    await routes.refresh()
    threads.close()

    assert same is first
    assert runner.sets.by_tenant["globex"] is first.by_tenant["globex"]
    assert runner.sets.by_tenant["acme"][0].when.said == ["y"]
