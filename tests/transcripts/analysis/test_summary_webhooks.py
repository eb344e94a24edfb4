"""A webhook is told of a summary, once, with what is stored when it is sent."""

from collections.abc import Iterator

import pytest
from support.call_records import ended, final, recorded, started
from support.chat_server import fitting
from support.webhooks import ClockedStore, clocked, hook, sending

from protocol.events import SegmentRevised
from transcripts.analysis.template import DEFAULT
from transcripts.analysis.values import Answered
from transcripts.webhooks.endpoint import DeliveryState
from transcripts.webhooks.events import EventKind

ANSWER = Answered(fitting(DEFAULT.schema), "small", "v1")


@pytest.fixture
def clocked_store(store_url: str) -> Iterator[ClockedStore]:
    opened = clocked(store_url)
    opened.store.record(recorded("c1", started(), final("hello"), ended()))
    yield opened
    opened.store.close()


def analyse(it: ClockedStore) -> None:
    it.store.analyses.ask_again("c1")
    (job,) = it.store.analyses.claim(lambda jobs, _: jobs)
    assert it.store.analyses.done(job, ANSWER)


async def test_each_summary_is_sent_with_its_answers(clocked_store: ClockedStore) -> None:
    async with hook() as receiver, sending(clocked_store.store):
        hooks = clocked_store.store.webhooks
        endpoint = hooks.add("", receiver.url, (EventKind.CALL_SUMMARISED,))
        analyse(clocked_store)
        clocked_store.clock.seconds += 1
        analyse(clocked_store)
        await clocked_store.until(endpoint.webhook_id, DeliveryState.DELIVERED)
        (secret,) = endpoint.secrets
        sent = receiver.verified(secret.text)

    assert len(receiver.ids) == 2
    assert [one["data"]["summary"] for one in sent] == ["they talked about an invoice"] * 2
    assert sent[0]["type"] == "call.summarised"
    assert sent[0]["data"]["call_id"] == "c1"
    assert sent[0]["data"]["disposition"] == "resolved"
    assert (sent[0]["data"]["model"], sent[0]["data"]["template"]) == ("small", "v1")


async def test_a_summary_of_words_that_were_taken_out_is_not_sent(
    clocked_store: ClockedStore,
) -> None:
    async with hook() as receiver:
        hooks = clocked_store.store.webhooks
        endpoint = hooks.add("", receiver.url, (EventKind.CALL_SUMMARISED,))
        analyse(clocked_store)
        revised = SegmentRevised(final("[NUMBER]"))
        clocked_store.store.record(recorded("c1", revised))
        async with sending(clocked_store.store):
            await clocked_store.until(endpoint.webhook_id, DeliveryState.DELIVERED)
        (secret,) = endpoint.secrets
        (sent,) = receiver.verified(secret.text)

    assert sent["data"]["summary"] is None
    assert "answers" not in sent["data"]
