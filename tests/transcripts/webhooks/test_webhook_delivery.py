"""Webhooks reach receivers as they are: each event arrives, signed, whatever the receiver does."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest
from standardwebhooks import Webhook, WebhookVerificationError
from support.call_records import CALL, final, recorded, started
from support.ports import free_port
from support.waiting import until
from support.webhooks import ClockedStore, data_of, hook, sending

from protocol.events import SegmentRevised
from protocol.events.event_codec import entry_of
from transcripts.outbox import Recorded
from transcripts.webhooks.endpoint import DeliveryState, WebhookEndpoint, WebhookState
from transcripts.webhooks.events import EventKind

ALL = tuple(kind for kind in EventKind if kind is not EventKind.TEST)
HOUR = 3_600.0


def added(store: ClockedStore, url: str, *kinds: EventKind, tenant: str = "") -> WebhookEndpoint:
    return store.store.webhooks.add(tenant, url, kinds or ALL)


async def test_the_events_of_a_call_arrive_signed_and_in_public_form(
    clocked_store: ClockedStore,
) -> None:
    async with hook() as receiver, sending(clocked_store.store):
        endpoint = added(clocked_store, receiver.url)
        clocked_store.store.record(recorded("c1", *CALL))
        await receiver.until(lambda it: len(it.ids) == 7)
        await clocked_store.until(endpoint.webhook_id, DeliveryState.DELIVERED)

    came = receiver.verified(endpoint.secrets[0].text)
    assert len(came) == 7
    (start,) = data_of(came, "call.started")
    assert start["call_id"] == start["piece"] == "c1"
    assert start["roles"] == ["agent", "customer"]
    finals = sorted(data_of(came, "call.final"), key=lambda one: one["start_ms"])
    assert [one["text"] for one in finals] == ["thank you for calling Acme", "hello", "goodbye"]
    assert (finals[1]["role"], finals[1]["start_ms"], finals[1]["seq"]) == ("customer", 500, 4)
    (heard,) = data_of(came, "keyword.heard")
    assert (heard["keywords"], heard["segment_id"]) == (["Acme"], "0-0")
    assert "text" not in heard
    (stored,) = data_of(came, "call.stored")
    assert (stored["complete"], stored["segments"], stored["duration_ms"]) == (True, 5, 60_000)
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + "A" * 44).verify(receiver.bodies[0].decode(), receiver.headers[0])


@pytest.mark.parametrize(
    "answer",
    [
        lambda number: "500 Error" if number % 2 else "200 OK",
        lambda number: "302 Found\r\nlocation: http://127.0.0.1:1/" if number < 5 else "200 OK",
        lambda number: "429 Too Many Requests" if number < 8 else "204 No Content",
    ],
    ids=["half", "redirecting", "busy"],
)
async def test_a_faulty_receiver_gets_each_event(
    clocked_store: ClockedStore, answer: Callable[[int], str]
) -> None:
    async with hook(answer) as receiver, sending(clocked_store.store):
        endpoint = added(clocked_store, receiver.url)
        clocked_store.store.record(recorded("c1", *CALL))
        await clocked_store.until(endpoint.webhook_id, DeliveryState.DELIVERED)

    assert len(receiver.ids) == 7
    receiver.verified(endpoint.secrets[0].text)


async def test_a_receiver_that_asks_for_a_pause_gets_one(clocked_store: ClockedStore) -> None:
    busy = "429 Too Many Requests\r\nretry-after: 900"
    async with hook(lambda _: busy) as receiver, sending(clocked_store.store):
        endpoint = added(clocked_store, receiver.url)
        clocked_store.store.record(recorded("c1", *CALL[:1]))
        async with asyncio.timeout(120):
            while not (found := await clocked_store.deliveries(endpoint.webhook_id))[0].attempts:
                await receiver.until(lambda one: len(one.bodies) > 0)
        state = clocked_store.store.webhooks.endpoint("", endpoint.webhook_id)

    began = clocked_store.clock()
    assert state is not None
    assert [one.due_at - began for one in found] == [900]
    assert state.endpoint.paused_until - began == 900


async def test_a_receiver_that_is_down_gets_each_event_when_it_is_back(
    clocked_store: ClockedStore,
) -> None:
    port = free_port()
    endpoint = added(clocked_store, f"http://127.0.0.1:{port}/hook")
    async with sending(clocked_store.store):
        clocked_store.store.record(recorded("c1", *CALL))

        async def all_tried() -> bool:
            found = await clocked_store.deliveries(endpoint.webhook_id)
            if not (done := all(one.attempts for one in found)):
                await clocked_store.move_on(endpoint.webhook_id, found)
            return done

        await until(all_tried)
        async with hook(port=port) as receiver:
            await clocked_store.until(endpoint.webhook_id, DeliveryState.DELIVERED)

    assert len(receiver.ids) == 7
    receiver.verified(endpoint.secrets[0].text)


async def test_a_slow_receiver_delays_no_other(clocked_store: ClockedStore) -> None:
    never = asyncio.Event()

    async def wait(_: int) -> str:
        await never.wait()
        return "200 OK"

    async with hook(wait) as slow, hook() as quick, sending(clocked_store.store):
        added(clocked_store, slow.url, tenant="acme")
        endpoint = added(clocked_store, quick.url, tenant="globex")
        for number in range(5):
            clocked_store.store.record(recorded(f"acme/c{number}", *CALL))
        await slow.until(lambda it: len(it.bodies) == 4)
        clocked_store.store.record(recorded("globex/c1", *CALL))
        await quick.until(lambda it: len(it.ids) == 7)
        in_progress = len(slow.bodies)
        never.set()

    assert in_progress == 4  # of 35
    quick.verified(endpoint.secrets[0].text)


async def test_after_a_day_of_attempts_a_delivery_is_a_dead_letter_and_can_be_sent_again(
    clocked_store: ClockedStore,
) -> None:
    hooks = clocked_store.store.webhooks
    answers = ["500 Error"] * 100
    async with hook(
        lambda number: answers[number] if number < len(answers) else "200 OK"
    ) as receiver:
        endpoint = added(clocked_store, receiver.url, EventKind.CALL_STARTED)
        began = clocked_store.clock.seconds
        async with sending(clocked_store.store):
            clocked_store.store.record(recorded("c1", started()))
            await clocked_store.until(endpoint.webhook_id, DeliveryState.DEAD)
            hours = (clocked_store.clock.seconds - began) / HOUR
            attempts = len(receiver.bodies)
            (dead,) = await clocked_store.deliveries(endpoint.webhook_id)
            answers.clear()
            again = hooks.send_again("", endpoint.webhook_id, dead.delivery_id)
            assert again is not None
            await clocked_store.until(endpoint.webhook_id, DeliveryState.DELIVERED)

    assert (dead.status, dead.error) == (500, "the answer has the status 500")
    assert attempts == dead.attempts == 11
    assert hours > 18
    assert receiver.ids == {dead.delivery_id}


async def test_an_endpoint_that_fails_for_days_is_disabled_and_says_so(
    clocked_store: ClockedStore,
) -> None:
    hooks, store = clocked_store.store.webhooks, clocked_store.store
    async with hook(lambda _: "500 Error") as receiver, sending(store, disable_days=0.3):
        endpoint = added(clocked_store, receiver.url, EventKind.CALL_STARTED)
        clocked_store.store.record(recorded("c1", started()))

        async def disabled() -> WebhookState | None:
            await clocked_store.move_on(
                endpoint.webhook_id, await clocked_store.deliveries(endpoint.webhook_id)
            )
            found = hooks.endpoint("", endpoint.webhook_id)
            return found if found and not found.endpoint.enabled else None

        found = await until(disabled)

    assert "no attempt has succeeded for" in found.endpoint.disabled_reason
    assert found.counts == {DeliveryState.WAITING: 1}  # it is sent if the endpoint is enabled again


async def test_a_receiver_that_is_gone_gets_nothing_more(clocked_store: ClockedStore) -> None:
    hooks = clocked_store.store.webhooks
    async with hook(lambda _: "410 Gone") as receiver, sending(clocked_store.store):
        endpoint = added(clocked_store, receiver.url, EventKind.CALL_STARTED)
        clocked_store.store.record(recorded("c1", started()))
        await clocked_store.until(endpoint.webhook_id, DeliveryState.DEAD)
        clocked_store.store.record(recorded("c2", started()))

    found = hooks.endpoint("", endpoint.webhook_id)
    assert found is not None
    assert (found.endpoint.enabled, found.counts) == (False, {DeliveryState.DEAD: 1})
    assert found.endpoint.disabled_reason == "the receiver answered 410 Gone"


async def test_words_that_redaction_took_out_meanwhile_are_not_sent(
    clocked_store: ClockedStore,
) -> None:
    added(clocked_store, "http://127.0.0.1:9/", EventKind.CALL_FINAL)
    clocked_store.store.record(recorded("c1", started(), final("four two four two")))
    revised = SegmentRevised(final("[card_number]"))
    clocked_store.store.record([Recorded("c1", entry_of(revised, 3))])

    async with hook() as receiver:
        (state,) = clocked_store.store.webhooks.endpoints("")
        change = state.endpoint.webhook_id
        clocked_store.store.webhooks.change("", change, lambda it: replace(it, url=receiver.url))
        async with sending(clocked_store.store):
            await clocked_store.until(change, DeliveryState.DELIVERED)

    assert b"four" not in b"".join(receiver.bodies)
    assert b"[card_number]" in receiver.bodies[0]
