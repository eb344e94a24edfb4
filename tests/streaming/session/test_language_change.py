"""A call changes its language, if a worker supports the new one."""

import pytest
from redis.asyncio import Redis
from support.entries import event_of

from broker.event_log.log_reader import LogReader
from broker.event_log.pubsub import PubSubHub
from broker.redis_keys import CallKeys, Partition
from protocol.bridge_events import LanguageChanged
from protocol.calls.call import CallConfig, Role
from protocol.events import CallWarning
from streaming.call.call import Call
from streaming.call.checkpoint import Checkpoint
from streaming.call.identity import CallIdentity
from streaming.call.ledger import Ledger
from streaming.call_store import CallStore
from streaming.session.calls.live_call import LiveCall


@pytest.mark.parametrize(("language", "then"), [("de", "de"), ("sw", "en")])
def test_a_change_to_a_language_without_a_worker_is_refused(language: str, then: str) -> None:
    redis, keys = Redis(), CallKeys(Partition(0), "c1")  # never connected: nothing is written here
    config = CallConfig(translate_to=None)
    call = Call(
        CallIdentity("c1", "log", (Role.MIXED,), "native", 0.0), config, Ledger(1), 500, lambda: 0.0
    )
    live_call = LiveCall(
        call, [], CallStore(redis, keys, "owner"), LogReader(redis, PubSubHub(redis), keys, 0),
        lambda _: None, Checkpoint((Role.MIXED,), "native", 0.0, config, (0,)),
    )  # fmt: skip
    live_call.serves = lambda task: task in {("en", "en"), ("de", "de")}

    live_call.feed(LanguageChanged(language))

    assert call.config.language == then


def test_a_change_to_a_language_without_number_words_is_told() -> None:
    call = Call(
        CallIdentity("c1", "log", (Role.MIXED,), "native", 0.0),
        CallConfig(),
        Ledger(1),
        500,
        lambda: 0.0,
    )
    call.start()
    call.change_language("de")
    assert len(call.ledger.pending) == 1

    call.change_language("ja")

    _, warning = [event_of(event.payload) for event in call.ledger.pending]
    assert isinstance(warning, CallWarning)
    assert warning.code == "redaction_limited"
