"""State of a call after a takeover by another gateway: a table of everything that a bridge sends once."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import numpy as np
import pytest
from redis.asyncio import Redis
from support.waiting import until_true

from broker.event_log.pubsub import PubSubHub
from broker.redis_keys import CallKeys
from protocol.bridge_events import (
    AudioReceived,
    AudioSkipped,
    CallOpened,
    DialectError,
    DtmfReceived,
    KeywordsChanged,
    LanguageChanged,
)
from protocol.calls.call import CallConfig, Keywords, Role
from protocol.dialects.base import Request
from protocol.dialects.native import Native
from protocol.events import Account, LoadLevel
from streaming.audio.vad_batcher import VadBatcher
from streaming.audio.voice_activity.vad_choice import Vad
from streaming.call_store import OverloadedError, SupersededError
from streaming.overload.gateway_load import LoopSample
from streaming.session.call_registry import CallRegistry
from streaming.session.calls.joined_call import StreamHandle
from streaming.session.calls.live_call import LiveCall
from streaming.settings import GatewaySettings

SAID = CallOpened(
    "c1",
    (Role.CUSTOMER, Role.AGENT),
    config=CallConfig("es", "fr", Keywords(("Acme",)), partials=False, hangover_ms=900),
    rejected_keywords=("!: no letters",),
    resumable=True,
)
LISTED = tuple(f"Orvanta {number}" for number in range(5_000))
"""A list that is stored apart from jobs and checkpoints."""

NOISE = np.random.default_rng(1).integers(-3_000, 3_000, 8_000).astype(np.int16)

SURVIVES: dict[str, tuple[Callable[[LiveCall], Any], Any]] = {
    "roles": (lambda it: it.call.identity.roles, (Role.CUSTOMER, Role.AGENT)),
    "dialect": (lambda it: it.call.identity.dialect, "native"),
    "language, changed": (lambda it: it.call.config.language, "de"),
    "translate_to": (lambda it: it.call.config.translate_to, "fr"),
    "keywords, changed": (lambda it: it.call.config.keywords, Keywords(LISTED, 1)),
    "partials": (lambda it: it.call.config.partials, False),
    "endpointing": (lambda it: it.call.config.hangover_ms, 900),
    "rejected keywords": (lambda it: it.checkpoint.rejected_keywords, ("!: no letters",)),
    "token": (lambda it: bool(it.checkpoint.token), True),
    "marks not answered": (lambda it: it.checkpoint.marks, ("m1",)),
    "position": (lambda it: it.heard >= 24_000, True),
    "paused audio": (
        lambda it: [one.totals.paused for one in it._owned.channels],
        [16_000, 16_000],
    ),
    "keys pressed": (lambda it: [n for n in names(it) if n.startswith("dtmf")], ["dtmf:0:8000:#"]),
}
"""The location of each value, and its expected content."""


def names(it: LiveCall) -> list[str]:
    return [event.name for event in it.call.ledger.known]


@asynccontextmanager
async def call_registry(redis: Redis) -> AsyncIterator[CallRegistry]:
    pubsub_hub = PubSubHub(redis)
    listening = asyncio.ensure_future(pubsub_hub.run())
    settings = GatewaySettings(vad=Vad.WEBRTC)
    yield CallRegistry(redis, 1, settings, VadBatcher(None), pubsub_hub)
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)


async def speak(call: LiveCall) -> None:
    """All messages of a bridge; the mark stays unanswered, because the speech has no end."""
    for channel in (0, 1):
        call.feed(AudioReceived(channel, NOISE))
    await asyncio.sleep(0)
    call.feed(DtmfReceived(0, "#"))
    call.feed(AudioSkipped(16_000, Account.PAUSED, "paused"))
    call.set_load_level(LoadLevel.FEWER_PARTIALS)
    call.feed(KeywordsChanged(LISTED))
    call.feed(LanguageChanged("de"))
    call.call._marks.ask("m1", frozenset({None}))  # type: ignore[arg-type]  # a segment that never ends


async def begun(redis: Redis, here: CallRegistry) -> str:
    """A call that was left by a gateway which died; the token of its bridge."""
    dialect = Native(Request("/v1/calls"))
    dialect.receive('{"type":"start","call_id":"c1","channels":["customer","agent"]}')
    call = await here.open(SAID, "c1", dialect, lambda _: None)
    assert isinstance(call, LiveCall)
    running = asyncio.ensure_future(call.run())
    await speak(call)
    await until_true(lambda: len(call.call.ledger.known) >= 7 and not call.call.ledger.pending)
    await call.heartbeat()
    running.cancel()
    with suppress(asyncio.CancelledError, SupersededError):
        await running
    return str(json.loads(dialect.outbox()[0])["token"])


@pytest.mark.parametrize("how", ["resumed", "taken back"])
async def test_the_opening_message_is_known_to_the_next_gateway(redis: Redis, how: str) -> None:
    async with call_registry(redis) as first, call_registry(redis) as second:
        token = await begun(redis, first)
        started_at = first._calls["c1"].call.identity.started_at
        if how == "resumed":
            said = CallOpened("c1", SAID.roles, resumable=True, token=token)
            dialect = Native(Request("/v1/calls"))
            dialect.receive('{"type":"start","call_id":"c1","channels":["customer","agent"]}')
            later = await second.open(said, "c1", dialect, lambda _: None)
        else:
            later = first._calls["c1"]
            await first._call_factory.queue("c1").adopt(0)
            assert later._take_back is not None
            assert await later._take_back.run()
        assert isinstance(later, LiveCall)

    assert later.call.identity.started_at == started_at > 0
    known = {name: poll(later) for name, (poll, _) in SURVIVES.items()}

    assert known == {name: value for name, (_, value) in SURVIVES.items()}


async def test_a_long_list_that_redis_has_lost_is_read_from_the_event_log(redis: Redis) -> None:
    async with call_registry(redis) as first, call_registry(redis) as second:
        token = await begun(redis, first)
        checkpoint: Any = await redis.hget(CallKeys.of("c1", 1).meta, "checkpoint")
        for stored in await redis.keys("*:keywords:*"):
            await redis.delete(stored)
        said = CallOpened("c1", SAID.roles, resumable=True, token=token)
        dialect = Native(Request("/v1/calls"))
        dialect.receive('{"type":"start","call_id":"c1","channels":["customer","agent"]}')
        later = await second.open(said, "c1", dialect, lambda _: None)

    assert isinstance(later, LiveCall)
    assert len(checkpoint) < 2_000
    assert later.call.config.keywords == Keywords(LISTED, 1)


async def test_a_gateway_whose_loop_is_late_takes_no_new_calls_and_keeps_those_it_has(
    redis: Redis,
) -> None:
    async with call_registry(redis) as here, call_registry(redis) as elsewhere:
        token = await begun(redis, elsewhere)
        here.overload.observe_loop(LoopSample(lag=30.0, used=0.0))

        with pytest.raises(OverloadedError):
            new = CallOpened("c2", (Role.MIXED,))
            await here.open(new, "c2", Native(Request("/v1/calls")), lambda _: None)
        dialect = Native(Request("/v1/calls"))
        dialect.receive('{"type":"start","call_id":"c1","channels":["customer","agent"]}')
        back = CallOpened("c1", SAID.roles, resumable=True, token=token)
        kept = await here.open(back, "c1", dialect, lambda _: None)

    assert isinstance(kept, LiveCall)
    assert kept.call.load_level is LoadLevel.NO_NEW_CALLS


async def test_streams_of_one_call_may_come_to_another_gateway_when_theirs_is_silent(
    redis: Redis,
) -> None:
    joined = CallOpened("c1", (Role.CUSTOMER,), joins=(Role.CUSTOMER, Role.AGENT))
    keys = CallKeys.of("c1", 1)
    async with call_registry(redis) as first, call_registry(redis) as second:
        await first.open(joined, "c1", Native(Request("/v1/calls")), lambda _: None)

        with pytest.raises(DialectError, match="on another gateway"):
            await second.open(joined, "c1", Native(Request("/v1/calls")), lambda _: None)
        await redis.zadd(keys.partition.calls, {"c1": (await redis.time())[0] - 16})
        stream_handle = await second.open(
            joined, "c1", Native(Request("/v1/calls")), lambda _: None
        )

        assert isinstance(stream_handle, StreamHandle)
        for running in (
            stream_handle.joined_call.running,
            first._joined_calls["c1"].result().running,
        ):
            running.cancel()


async def test_only_a_call_without_a_fresh_checkpoint_needs_the_heartbeat_of_the_thread(
    redis: Redis,
) -> None:
    async with call_registry(redis) as here:
        dialect = Native(Request("/v1/calls"))
        dialect.receive('{"type":"start","call_id":"c1","channels":["customer","agent"]}')
        call = await here.open(SAID, "c1", dialect, lambda _: None)
        assert isinstance(call, LiveCall)
        before = here.unsigned(3_600)
        await call.heartbeat()

        assert before == (call.ownership,)
        assert here.unsigned(3_600) == ()
        assert here.unsigned(-1) == before
