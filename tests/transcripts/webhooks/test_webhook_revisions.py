"""A webhook that has sent the text of a final says when redaction takes words out of it."""

from dataclasses import replace

from support.call_records import final, recorded, started
from support.webhooks import ClockedStore, data_of, hook, sending

from protocol.events import Redaction, SegmentRevised
from protocol.events.event_codec import entry_of
from transcripts.outbox import Recorded
from transcripts.webhooks.endpoint import DeliveryState
from transcripts.webhooks.events import EventKind


async def test_a_revision_is_an_event_with_the_text_that_is_left(
    clocked_store: ClockedStore,
) -> None:
    store = clocked_store.store
    shown = replace(final("it is [CARD_NUMBER]"), redactions=(Redaction("card_number", 2, 0, 800),))
    async with hook() as receiver, sending(store):
        kinds = (EventKind.CALL_FINAL, EventKind.CALL_REVISED)
        endpoint = store.webhooks.add("", receiver.url, kinds)
        store.record(recorded("c1", started(), final("it is four seven")))
        await receiver.until(lambda it: len(it.ids) == 1)
        revision = Recorded("c1", entry_of(SegmentRevised(shown), 3))
        for _ in range(2):  # an event that is stored again is not sent again
            store.record([revision])
        await receiver.until(lambda it: len(it.ids) == 2)
        await clocked_store.until(endpoint.webhook_id, DeliveryState.DELIVERED)

    (revised,) = data_of(receiver.verified(endpoint.secrets[0].text), "call.revised")
    assert (revised["segment_id"], revised["text"]) == ("0-0", "it is [CARD_NUMBER]")
