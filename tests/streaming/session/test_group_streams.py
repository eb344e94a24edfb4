"""Streams of joined calls that another process of the group has."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from redis.asyncio import Redis
from support.engines import LengthTeller
from support.pipeline import Listener, pipeline
from websockets.asyncio.client import connect

from broker.process_group.place import GroupPlace
from cli.recording import read_recording
from protocol.bridge_events import (
    AudioReceived,
    BridgeWarning,
    CallOpened,
    DialectError,
    DtmfReceived,
    FinalizeRequested,
    KeywordsChanged,
    LanguageChanged,
    MarkReceived,
    WarningCode,
)
from protocol.calls.call import CallConfig, Role
from streaming.call_store import GoingAwayError, SupersededError
from streaming.session.calls.forwarded_stream import ForwardedStream, open_stream
from streaming.session.calls.stream_link import (
    LENGTH,
    HangUp,
    Heard,
    Left,
    LinkMessage,
    Opened,
    OpenStream,
    Paused,
    Refused,
    decoded,
    encoded,
)

PROMPT = Path(__file__).parents[2] / "speech" / "prompts" / "agent-alreadyon.wav"
SPEECH = read_recording(PROMPT).channels[0]
JOINS = (Role.CUSTOMER, Role.AGENT)


def opened(role: Role) -> CallOpened:
    config = CallConfig(language="en", redact=frozenset())
    return CallOpened("c1", (role,), config=config, joins=JOINS, metadata=(("crm", "17"),))


@dataclass(frozen=True)
class Home:
    """A process that has the call `c1`, without bridges of its own."""

    url: str
    place: GroupPlace

    async def stream(self, role: Role) -> ForwardedStream:
        return await open_stream(self.place.calls_of(0), "c1", "twilio", opened(role))

    async def log(self) -> Listener:
        """All events of the call; returns when it is over."""
        heard = Listener()
        async with connect(f"{self.url}/v1/calls/c1/events?after=0") as socket:
            await heard.listen(socket)
        return heard


@asynccontextmanager
async def home(redis: Redis, folder: Path) -> AsyncIterator[Home]:
    with TemporaryDirectory() as sockets:  # the path of a Unix socket is short
        place = GroupPlace(0, 2, sockets)
        async with pipeline(redis, folder, LengthTeller(), group=place) as it:
            yield Home(it.url, place)


def speak(stream: ForwardedStream) -> None:
    for start in range(0, len(SPEECH), 160):
        stream.feed(AudioReceived(0, SPEECH[start : start + 160], start))


async def test_a_stream_whose_process_is_killed_has_hung_up_and_its_audio_is_transcribed(
    redis: Redis, tmp_path: Path
) -> None:
    async with home(redis, tmp_path) as it:
        stream = await it.stream(Role.AGENT)
        speak(stream)
        stream.close()  # as the kernel does it
        log = await it.log()

    ended = log.events[-1]
    assert ended["reason"] == "hangup"
    assert sum(ended["channels"][1].values()) == len(SPEECH) // 8
    assert {one["role"] for one in log.of("segment.final")} == {"agent"}


async def test_a_stream_is_told_when_the_process_of_its_call_ends(
    redis: Redis, tmp_path: Path
) -> None:
    async with AsyncExitStack() as running:
        it = await running.enter_async_context(home(redis, tmp_path))
        stream = await it.stream(Role.AGENT)
        ending = asyncio.ensure_future(stream.run())
        await running.aclose()
        await asyncio.wait({ending})
        stream.close()

    assert ending.exception() is None or isinstance(ending.exception(), GoingAwayError)
    assert not stream.is_live


async def test_a_newer_stream_of_the_same_party_takes_the_channel(
    redis: Redis, tmp_path: Path
) -> None:
    async with home(redis, tmp_path) as it:
        older = await it.stream(Role.AGENT)
        newer = await it.stream(Role.AGENT)
        with pytest.raises(SupersededError):
            await older.run()
        newer.hang_up("completed")
        await newer.run()
        older.close()
        newer.close()
        log = await it.log()

    assert len(log.of("call.started")) == 1
    assert log.events[-1]["reason"] == "completed"


async def test_what_a_bridge_may_not_send_is_refused_where_the_bridge_is(
    redis: Redis, tmp_path: Path
) -> None:
    async with home(redis, tmp_path) as it:
        stream = await it.stream(Role.AGENT)
        with pytest.raises(DialectError, match="channel 1 does not exist: 1 were declared"):
            stream.feed(DtmfReceived(1, "5"))
        with pytest.raises(DialectError, match="started already"):
            stream.feed(opened(Role.AGENT))
        with pytest.raises(DialectError, match="joined as customer-agent"):
            other = CallOpened("c1", (Role.AGENT,), joins=(Role.AGENT, Role.CUSTOMER))
            await open_stream(it.place.calls_of(0), "c1", "twilio", other)
        stream.feed(DtmfReceived(0, "5"))
        stream.hang_up("completed")
        await stream.run()
        stream.close()
        log = await it.log()

    assert [(one["digit"], one["channel"]) for one in log.of("dtmf")] == [("5", 1)]


@pytest.mark.parametrize(
    "message",
    [
        OpenStream("acme/c1", "twilio", opened(Role.AGENT)),
        KeywordsChanged(("Acme",), ("x",)),
        LanguageChanged("de"),
        MarkReceived("m1"),
        DtmfReceived(1, "#"),
        FinalizeRequested(None),
        FinalizeRequested(1),
        BridgeWarning(WarningCode.CALL_ID_MISSING, "no id"),
        HangUp("completed"),
        Paused(),
        Opened(16_000),
        Heard(8_000),
        Refused("why", again=True),
        Left(superseded=True),
    ],
    ids=lambda one: type(one).__name__,
)
def test_a_message_between_processes_is_the_same_at_the_other_end(message: LinkMessage) -> None:
    data = encoded(message)

    assert LENGTH.unpack_from(data) == (len(data) - LENGTH.size,)
    assert decoded(data[LENGTH.size :]) == message


@pytest.mark.parametrize("position", [None, 0, -160, 2**40])
def test_audio_between_processes_is_the_same_at_the_other_end(position: int | None) -> None:
    pcm = np.array([0, 1, -1, 32_767, -32_768], np.int16)

    audio = decoded(encoded(AudioReceived(3, pcm, position))[LENGTH.size :])

    assert isinstance(audio, AudioReceived)
    assert (audio.channel, audio.position, audio.pcm.tolist()) == (3, position, pcm.tolist())
