"""The simulated bridge: the messages that it sends and their times, and the events that it receives."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from support.waiting import PATIENCE
from websockets.asyncio.server import ServerConnection, serve

from cli.recording import Recording
from cli.simulated_bridge import PATHS, CallPlan, Playback, play, script
from protocol.audio import Encoding, Pcm, decode, encode
from protocol.bridge_events import AudioReceived, BridgeEvent, CallClosed, CallOpened
from protocol.calls.call import Role
from protocol.dialects import registry
from protocol.dialects.base import Request

PLAN = CallPlan("call-1", ("agent", "customer"), "en", ("Zelvo Dock", "Maren"))
SECOND = 8_000


def recording(seconds: float, channels: int = 2) -> Recording:
    """Noise: no two frames are alike."""
    random = np.random.default_rng(1)
    length = int(seconds * SECOND)
    return Recording(
        tuple(random.integers(-20_000, 20_000, length, np.int16) for _ in range(channels))
    )


def understood(dialect: str, sound: Recording, plan: CallPlan) -> list[BridgeEvent]:
    """The events that a gateway gets from a script."""
    segmenter = registry.open_dialect(Request(PATHS[dialect], (), ()))
    return [
        event for due in script(dialect, sound, plan) for event in segmenter.receive(due.message)
    ]


def heard(events: list[BridgeEvent], channel: int) -> Pcm:
    frames = [e.pcm for e in events if isinstance(e, AudioReceived) and e.channel == channel]
    return np.concatenate(frames)


def as_telephone(pcm: Pcm) -> Pcm:
    return decode(encode(pcm, Encoding.MULAW), Encoding.MULAW)


# The script


@pytest.mark.parametrize("dialect", PATHS)
@pytest.mark.parametrize("seconds", [1.0, 0.5003])  # the last frame is a short one
def test_a_gateway_receives_both_channels_to_the_last_sample(dialect: str, seconds: float) -> None:
    sound = recording(seconds)

    events = understood(dialect, sound, PLAN)

    for channel, pcm in enumerate(sound.channels):
        assert np.array_equal(heard(events, channel), as_telephone(pcm))


@pytest.mark.parametrize("dialect", PATHS)
def test_a_gateway_receives_the_roles_and_the_keywords(dialect: str) -> None:
    opened, *_, closed = understood(dialect, recording(0.1), PLAN)

    assert isinstance(opened, CallOpened)
    assert opened.call_id == "call-1"
    assert opened.roles == (Role.AGENT, Role.CUSTOMER)
    assert opened.config.keywords.terms == ("Zelvo Dock", "Maren")
    assert isinstance(closed, CallClosed)


@pytest.mark.parametrize("dialect", PATHS)
def test_a_gateway_learns_what_to_write(dialect: str) -> None:
    plan = CallPlan("call-1", ("agent", "customer"), "de", translate_to="en")

    opened, *_ = understood(dialect, recording(0.1), plan)

    assert isinstance(opened, CallOpened)
    assert (opened.config.language, opened.config.translate_to) == ("de", "en")


@pytest.mark.parametrize("dialect", PATHS)
def test_a_mono_recording_is_a_call_of_one_channel(dialect: str) -> None:
    sound = recording(0.1, channels=1)

    opened, *rest = understood(dialect, sound, CallPlan("call-1", ("mixed",)))

    assert isinstance(opened, CallOpened)
    assert opened.roles == (Role.MIXED,)
    assert np.array_equal(heard(rest, 0), as_telephone(sound.channels[0]))


@pytest.mark.parametrize("dialect", PATHS)
def test_a_frame_is_due_when_its_last_sample_has_been_spoken(dialect: str) -> None:
    segmenter = registry.open_dialect(Request(PATHS[dialect], (), ()))
    spoken = {0: 0, 1: 0}

    for due in script(dialect, recording(0.25), PLAN):
        for event in segmenter.receive(due.message):
            if isinstance(event, AudioReceived):
                spoken[event.channel] += len(event.pcm)
                assert due.at * SECOND == pytest.approx(spoken[event.channel])


@pytest.mark.parametrize("dialect", PATHS)
def test_nothing_is_due_before_what_stands_before_it(dialect: str) -> None:
    messages = list(script(dialect, recording(0.25), PLAN))

    assert all(earlier.at <= later.at for earlier, later in pairwise(messages))
    assert messages[-1].at == 0.25


# Playing it


class FakeGateway:
    """
    A gateway that receives from a bridge until stop, then ends the call; it sends prepared events to listeners.
    """

    def __init__(self, story: list[dict[str, Any]], *, falls_silent_after: int = -1) -> None:
        self.messages: list[str | bytes] = []
        self.subscriptions: list[int] = []
        self._story = story
        self._falls_silent_after = falls_silent_after

    async def converse(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        url = urlsplit(socket.request.path)
        if url.path.endswith("/events"):
            await self._notify(socket, int(parse_qs(url.query)["after"][0]))
            return
        async for message in socket:
            self.messages.append(message)
            if isinstance(message, str) and "stop" in json.loads(message).values():
                break
        if url.path == PATHS["native"]:
            await self._notify(socket, 0)

    async def _notify(self, socket: ServerConnection, after: int) -> None:
        self.subscriptions.append(after)
        for event in self._story[after:]:
            await socket.send(json.dumps(event))
            if event["seq"] == self._falls_silent_after and after == 0:
                socket.transport.abort()
                return


STORY = [
    {"type": "call.started", "seq": 1},
    {"type": "segment.final", "seq": 2},
    {"type": "call.ended", "seq": 3},
]


@asynccontextmanager
async def listening(gateway: FakeGateway) -> AsyncIterator[str]:
    async with serve(gateway.converse, "127.0.0.1", 0) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def played(
    url: str,
    dialect: str,
    sound: Recording,
    progress: Callable[[float], None] = lambda _: None,
    hang_up: asyncio.Event | None = None,
) -> list[int]:
    """The sequence numbers that came while a call was played, a thousand times as fast as it was spoken."""
    events: list[int] = []
    playback = Playback(url, dialect, sound, PLAN, pace=1_000)
    async with asyncio.timeout(PATIENCE):
        await play(
            playback,
            lambda event: events.append(event["seq"]),
            progress,
            hang_up or asyncio.Event(),
        )
    return events


@pytest.mark.parametrize("dialect", PATHS)
async def test_the_whole_script_is_sent_and_all_events_are_received(dialect: str) -> None:
    gateway, sound = FakeGateway(STORY), recording(0.5)

    async with listening(gateway) as url:
        events = await played(url, dialect, sound)

    assert gateway.messages == [due.message for due in script(dialect, sound, PLAN)]
    assert events == [1, 2, 3]


@pytest.mark.parametrize("dialect", PATHS)
async def test_a_call_that_is_hung_up_ends_properly_and_its_last_words_are_transcribed(
    dialect: str,
) -> None:
    gateway, sound, hang_up = FakeGateway(STORY), recording(1.0), asyncio.Event()
    everything = [due.message for due in script(dialect, sound, PLAN)]

    async with listening(gateway) as url:
        events = await played(
            url, dialect, sound, lambda seconds: hang_up.set() if seconds >= 0.5 else None, hang_up
        )

    assert len(gateway.messages) < len(everything)
    assert gateway.messages[:-1] == everything[: len(gateway.messages) - 1]
    assert gateway.messages[-1] == everything[-1], "the closing message"
    assert events == [1, 2, 3]


async def test_a_lost_subscription_goes_on_behind_the_last_event() -> None:
    gateway = FakeGateway(STORY, falls_silent_after=2)

    async with listening(gateway) as url:
        events = await played(url, "twilio", recording(0.1))

    assert gateway.subscriptions == [0, 2]
    assert events == [1, 2, 3]


@pytest.mark.parametrize("address", ["{0}", "{0}/twilio", "ws://{0}/v1/calls", "http://{0}"])
async def test_an_address_may_be_given_as_people_write_it(address: str) -> None:
    gateway = FakeGateway(STORY)

    async with listening(gateway) as url:
        host = url.removeprefix("ws://")
        events = await played(address.format(host), "native", recording(0.1))

    assert events == [1, 2, 3]


@pytest.mark.parametrize("dialect", PATHS)
async def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(
    dialect: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "ws_proxy", "socks_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    gateway = FakeGateway(STORY)

    async with listening(gateway) as url:
        assert await played(url, dialect, recording(0.1)) == [1, 2, 3]
