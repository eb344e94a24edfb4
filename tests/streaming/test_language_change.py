"""A call changes its language: to one that some worker can do, or not at all."""

import pytest
from redis.asyncio import Redis

from protocol.bridge import LanguageChanged
from protocol.call import CallConfig, Role
from protocol.keys import CallKeys, Partition
from streaming.call import Call, Identity
from streaming.checkpoint import Checkpoint
from streaming.conversation import Conversation
from streaming.following import Follower, Newsroom
from streaming.ledger import Ledger
from streaming.queue import CallQueue


@pytest.mark.parametrize(("language", "then"), [("de", "de"), ("sw", "en")])
def test_a_language_that_no_worker_hears_is_not_changed_to(language: str, then: str) -> None:
    redis, keys = Redis(), CallKeys(Partition(0), "c1")  # never connected: nothing is written here
    config = CallConfig(translate_to=None)
    call = Call(
        Identity("c1", "log", (Role.MIXED,), "native", 0.0), config, Ledger(1), 500, lambda: 0.0
    )
    conversation = Conversation(
        call, [], CallQueue(redis, keys, "owner"), Follower(redis, Newsroom(redis), keys, 0),
        lambda _: None, Checkpoint((Role.MIXED,), "native", 0.0, config, (0,)),
    )  # fmt: skip
    conversation.serves = lambda task: task in {("en", "en"), ("de", "de")}

    conversation.hear(LanguageChanged(language))

    assert call.config.language == then
