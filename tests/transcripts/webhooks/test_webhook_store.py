"""Webhooks in the database: what is queued, claimed, listed and deleted.  SQLite and PostgreSQL."""

import pytest
from support.call_records import CALL, recorded, started
from support.webhooks import ClockedStore, hook, sending

from transcripts.database.webhooks.sending import LEASE_SECONDS, Settled
from transcripts.webhooks.endpoint import MOST_OF_TENANT, DeliveryState, WebhookEndpoint
from transcripts.webhooks.events import EventKind, WebhookEvent
from transcripts.webhooks.schedule import AttemptOutcome, Limits
from transcripts.webhooks.webhook_store import TooManyEndpointsError

ALL = tuple(kind for kind in EventKind if kind is not EventKind.TEST)
HOUR = 3_600.0
NOBODY = "http://127.0.0.1:9/"


def added(store: ClockedStore, url: str, *kinds: EventKind, tenant: str = "") -> WebhookEndpoint:
    return store.store.webhooks.add(tenant, url, kinds or ALL)


async def test_an_entry_that_is_stored_again_is_not_sent_again(
    clocked_store: ClockedStore,
) -> None:
    endpoint = added(clocked_store, NOBODY)
    for _ in range(2):
        clocked_store.store.record(recorded("c1", *CALL))

    assert len(await clocked_store.deliveries(endpoint.webhook_id)) == 7


async def test_an_endpoint_gets_the_events_of_its_tenant_that_it_asked_for(
    clocked_store: ClockedStore,
) -> None:
    mine = added(clocked_store, NOBODY, EventKind.CALL_ENDED, tenant="acme")
    other = added(clocked_store, NOBODY, tenant="globex")
    off = clocked_store.store.webhooks.add("acme", NOBODY, ALL, enabled=False)
    clocked_store.store.record(recorded("acme/c1", *CALL))

    (found,) = await clocked_store.deliveries(mine.webhook_id, "acme")
    assert (found.kind, found.call_id) == (EventKind.CALL_ENDED, "acme/c1")
    assert await clocked_store.deliveries(other.webhook_id, "globex") == []
    assert await clocked_store.deliveries(off.webhook_id, "acme") == []


async def test_a_deleted_call_leaves_no_delivery(clocked_store: ClockedStore) -> None:
    endpoint = added(clocked_store, NOBODY)
    clocked_store.store.record(recorded("c1", *CALL))
    clocked_store.store.record(recorded("c2", started()))

    clocked_store.store.delete("c1")
    late = WebhookEvent(EventKind.RULE_RAISED, "rule-1")

    assert [one.call_id for one in await clocked_store.deliveries(endpoint.webhook_id)] == ["c2"]
    assert not clocked_store.store.webhooks.raise_event("c1", late)


async def test_what_is_over_is_deleted_after_some_days(clocked_store: ClockedStore) -> None:
    hooks = clocked_store.store.webhooks
    async with hook() as receiver, sending(clocked_store.store):
        endpoint = added(clocked_store, receiver.url, EventKind.CALL_STARTED)
        clocked_store.store.record(recorded("c1", started()))
        await clocked_store.until(endpoint.webhook_id, DeliveryState.DELIVERED)
    off = added(clocked_store, NOBODY, EventKind.CALL_STARTED)
    clocked_store.store.record(recorded("c2", started()))
    clocked_store.clock.seconds += 27 * HOUR

    assert hooks.tidy(7) == (2, 0)
    (dead,) = await clocked_store.deliveries(off.webhook_id)
    clocked_store.clock.seconds += 7 * 24 * HOUR
    assert (dead.state, dead.error) == (DeliveryState.DEAD, "not delivered within a day")
    assert hooks.tidy(7) == (0, 3)
    assert await clocked_store.deliveries(endpoint.webhook_id) == []


def test_a_delivery_is_claimed_by_one_sender_until_its_lease_is_over(
    clocked_store: ClockedStore,
) -> None:
    hooks, limits = clocked_store.store.webhooks, Limits()
    added(clocked_store, NOBODY)
    clocked_store.store.record(recorded("c1", *CALL))

    first = hooks.turn([], Limits(endpoint=7), 0)[1]
    second = hooks.turn([], Limits(endpoint=7), 0)[1]
    clocked_store.clock.seconds += LEASE_SECONDS + 1
    third = hooks.turn([Settled(first[0], AttemptOutcome(200))], limits, 0)

    assert (len(first), len(second)) == (7, 0)
    assert len(third[1]) == limits.endpoint
    decided = [one.decision.state for one in third[0]]
    assert decided == [DeliveryState.DELIVERED]  # not claimed again


def test_the_share_of_an_endpoint_counts_over_all_senders(clocked_store: ClockedStore) -> None:
    hooks, limits = clocked_store.store.webhooks, Limits()
    added(clocked_store, NOBODY, tenant="acme")
    for number in range(9):
        clocked_store.store.record(recorded(f"acme/c{number}", *CALL))

    claimed = [len(hooks.turn([], limits, 0)[1]) for _ in range(3)]

    assert claimed == [limits.endpoint, 0, 0]


def test_events_beyond_the_room_of_an_endpoint_are_dropped_and_counted(
    clocked_store: ClockedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transcripts.database.webhooks.queueing.MOST_WAITING", 5)
    endpoint = added(clocked_store, NOBODY)
    clocked_store.store.record(recorded("c1", *CALL))

    state = clocked_store.store.webhooks.endpoint("", endpoint.webhook_id)
    assert state is not None
    assert (state.counts, state.endpoint.dropped) == ({DeliveryState.WAITING: 5}, 2)
    assert clocked_store.store.webhooks.backlog().dropped == 2


def test_a_tenant_has_a_bounded_number_of_endpoints(clocked_store: ClockedStore) -> None:
    for _ in range(MOST_OF_TENANT):
        added(clocked_store, NOBODY, tenant="acme")

    with pytest.raises(TooManyEndpointsError):
        added(clocked_store, NOBODY, tenant="acme")
    added(clocked_store, NOBODY, tenant="globex")


def test_an_event_of_another_part_of_the_program_is_queued_once(
    clocked_store: ClockedStore,
) -> None:
    hooks = clocked_store.store.webhooks
    endpoint = added(clocked_store, NOBODY, EventKind.RULE_RAISED)
    clocked_store.store.record(recorded("c1", started()))
    event = WebhookEvent(EventKind.RULE_RAISED, "rule-1", data={"rule": "Cancellation"})

    assert [hooks.raise_event(call, event) for call in ("c1", "c1", "unknown")] == [
        True,
        True,
        False,
    ]
    state = hooks.endpoint("", endpoint.webhook_id)
    assert state is not None
    assert state.counts == {DeliveryState.WAITING: 1}
    (claimed,) = hooks.turn([], Limits(), 0)[1]
    assert b'"rule":"Cancellation"' in claimed.body


def test_after_a_rotation_both_secrets_sign_for_some_time(clocked_store: ClockedStore) -> None:
    hooks = clocked_store.store.webhooks
    endpoint = added(clocked_store, NOBODY, EventKind.CALL_STARTED)
    new = hooks.rotate("", endpoint.webhook_id, HOUR)
    clocked_store.store.record(recorded("c1", started()))

    (claimed,) = hooks.turn([], Limits(), 0)[1]
    clocked_store.clock.seconds += 2 * HOUR
    (later,) = hooks.turn([], Limits(), 0)[1]

    assert new is not None
    assert claimed.secrets == (new.text, endpoint.secrets[0].text)
    assert later.secrets == (new.text,)
    assert hooks.rotate("globex", endpoint.webhook_id, HOUR) is None
