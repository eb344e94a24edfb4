"""Several streams that are one call, over real sockets."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import pytest
from redis.asyncio import Redis
from support.endpoints import Caller, ringing
from support.engines import LengthTeller
from support.http_client import http_client
from support.pipeline import Listener, gateway, pipeline
from support.ports import free_port
from support.stored import stored_call
from websockets.asyncio.client import connect

from broker.process_group.place import GroupPlace
from cli.recording import read_recording
from protocol.audio import Pcm
from protocol.calls.call import Role
from protocol.dialects.audiosocket import HANG_UP, Frame, FrameSplitter
from protocol.dialects.common import call_parameters
from streaming.session.group_streams import home_of
from streaming.settings import GatewaySettings
from transcripts.store import Store

PROMPT = Path(__file__).parents[2] / "speech" / "prompts" / "agent-alreadyon.wav"
HANG_UP_FRAME = Frame(0x00)


@dataclass(frozen=True, slots=True)
class TappedCall:
    """Taps of the parties of a call `c1`, each an AudioSocket of its own."""

    ws: str
    http: str
    audiosocket: int
    other_ws: str
    other_audiosocket: int
    """Where agents connect: the same gateway, or another process of it."""

    store: Store

    @asynccontextmanager
    async def tap(self, role: str, join: str = "customer-agent") -> AsyncIterator[Caller]:
        uuid = uuid4()
        said = {"call_id": "c1", "role": role, "join": join}
        async with http_client() as client:
            answer = await client.put(f"{self.http}/v1/audiosocket/{uuid}", json=said)
            answer.raise_for_status()
        port = self.other_audiosocket if role == "agent" else self.audiosocket
        async with ringing(port, uuid) as caller:
            yield caller

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[Listener]:
        heard = Listener()
        async with connect(f"{self.ws}/v1/calls/c1/events") as socket:
            task = asyncio.ensure_future(heard.listen(socket))
            yield heard
            task.cancel()


@pytest.fixture(params=["one process", "two processes, the call in the first", "in the second"])
async def office(
    redis: Redis, tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[TappedCall]:
    """A gateway of one process, or of two where the streams of one call reach both."""
    http, ports = free_port(), (free_port(), free_port())
    settings = GatewaySettings(http_port=http, audiosocket_port=ports[0], drain_seconds=0)
    if request.param == "one process":
        async with pipeline(redis, tmp_path, LengthTeller(), gateway=settings) as it:
            url = f"http://127.0.0.1:{http}"
            yield TappedCall(it.url, url, ports[0], it.url, ports[0], it.store)
        return
    home = home_of("c1", 2)
    first = home if "first" in request.param else 1 - home
    with TemporaryDirectory() as folder:  # the path of a Unix socket is short
        places = [GroupPlace(number, 2, folder) for number in (first, 1 - first)]
        other = GatewaySettings(audiosocket_port=ports[1], drain_seconds=0)
        async with (
            pipeline(redis, tmp_path, LengthTeller(), gateway=settings, group=places[0]) as it,
            gateway(redis, other, places[1]) as other_url,
        ):
            url = f"http://127.0.0.1:{http}"
            yield TappedCall(it.url, url, ports[0], other_url, ports[1], it.store)


def speech() -> Pcm:
    return read_recording(PROMPT).channels[0]


async def test_two_taps_are_two_channels_of_one_call(office: TappedCall) -> None:
    it = office
    async with it.listening() as heard:
        async with it.tap("agent") as agent, it.tap("customer") as customer:
            await asyncio.gather(agent.speak(speech(), pace=20), customer.speak(speech(), pace=20))
            await asyncio.gather(agent.say(HANG_UP_FRAME), customer.say(HANG_UP_FRAME))
            ended = await heard.until("call.ended")

    assert heard.events[0]["roles"] == ["customer", "agent"]
    assert len(heard.of("call.started")) == 1
    assert {(one["channel"], one["role"]) for one in heard.of("segment.final")} == {
        (0, "customer"),
        (1, "agent"),
    }
    assert [event["seq"] for event in heard.events if "seq" in event] == list(
        range(1, ended["seq"] + 1)
    )


async def test_a_tap_that_comes_later_begins_where_the_call_stands(
    office: TappedCall,
) -> None:
    it = office
    async with it.listening() as heard:
        async with it.tap("customer") as customer:
            await customer.speak(speech())
            await customer.say(Frame(0x03, b"#"))
            await heard.until("dtmf")  # all audio before has been processed
            async with it.tap("agent") as agent:
                await agent.speak(speech())
                await agent.say(HANG_UP_FRAME)
                assert await agent.receives() == FrameSplitter().receive(HANG_UP)
                await customer.say(HANG_UP_FRAME)
                ended = await heard.until("call.ended")
        stored = await stored_call(it.store, "c1")

    assert stored.call.roles == ("customer", "agent")
    length = len(speech()) // 8
    late = [one for one in heard.of("segment.final") if one["role"] == "agent"]
    assert all(one["start_ms"] >= length for one in late)
    assert [sum(totals.values()) for totals in ended["channels"]] == [length, length]
    assert ended["duration_ms"] == 2 * length
    assert heard.of("audio_gap") == []


async def test_a_call_goes_on_until_its_last_tap_is_gone(office: TappedCall) -> None:
    it = office
    async with it.listening() as heard:
        async with it.tap("customer") as customer:
            async with it.tap("agent") as agent:
                await agent.speak(speech()[:8_000])
                await customer.speak(speech()[:8_000])
                await agent.say(HANG_UP_FRAME)
                await agent.receives()
            await customer.speak(speech()[8_000:])
            await customer.say(HANG_UP_FRAME)
            ended = await heard.until("call.ended")

    assert sum(ended["channels"][0].values()) == len(speech()) // 8
    assert sum(ended["channels"][1].values()) == 1_000


async def test_a_tap_that_comes_again_takes_its_channel_over(office: TappedCall) -> None:
    it = office
    async with it.listening() as heard:
        async with it.tap("customer") as first:
            await first.speak(speech()[:8_000])
            await heard.until("call.started")
            async with it.tap("customer") as second:
                await second.speak(speech()[8_000:])
                assert await first.receives() == FrameSplitter().receive(HANG_UP)
                await second.say(HANG_UP_FRAME)
                ended = await heard.until("call.ended")

    assert len(heard.of("call.started")) == 1
    assert sum(ended["channels"][0].values()) == len(speech()) // 8


@pytest.mark.parametrize("join", ["agent-customer", "customer-agent-mixed"])
async def test_a_stream_with_another_join_value_is_refused_and_the_call_goes_on(
    office: TappedCall, join: str
) -> None:
    it = office
    async with it.listening() as heard:
        async with it.tap("customer") as customer:
            await customer.speak(speech()[:8_000])
            await heard.until("call.started")
            async with it.tap("agent", join) as stranger:
                await stranger.speak(speech()[:160])
                assert await stranger.receives() == FrameSplitter().receive(HANG_UP)
            await customer.speak(speech()[8_000:])
            await customer.say(HANG_UP_FRAME)
            ended = await heard.until("call.ended")

    assert sum(ended["channels"][0].values()) == len(speech()) // 8


async def test_two_media_streams_of_one_call_are_joined(office: TappedCall) -> None:
    """Twilio, one track a socket: timestamps of each begin with its stream."""

    def start(track: str) -> str:
        said = {"call_id": "c1", "join": "customer-agent"}
        audio = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
        body = {"callSid": f"CA-{track}", "tracks": [track], "mediaFormat": audio}
        body["customParameters"] = said
        return json.dumps({"event": "start", "start": body})

    stop = json.dumps({"event": "stop", "stop": {}})
    it = office
    async with it.listening() as heard:
        async with (
            connect(f"{it.ws}/twilio") as inbound,
            connect(f"{it.other_ws}/twilio") as outbound,
        ):
            await inbound.send(start("inbound"))
            await outbound.send(start("outbound"))
            await inbound.send(stop)
            await inbound.wait_closed()
            await outbound.send(stop)
            ended = await heard.until("call.ended")

    assert heard.events[0]["roles"] == ["customer", "agent"]
    assert ended["reason"] == "completed"


# Values of `join`


def test_any_sign_may_stand_between_the_roles() -> None:
    for written in ("customer-agent", "customer,agent", "customer agent"):
        call_params = call_parameters.parse_parameters([("call_id", "c1"), ("join", written)])

        assert call_params.joins == (Role.CUSTOMER, Role.AGENT)


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        ({"call_id": "c1", "join": "customer-boss"}, "join must name the role"),
        ({"call_id": "c1", "join": "agent-agent"}, "each stream once"),
        ({"join": "customer-agent"}, "join needs a call_id"),
    ],
)
def test_an_invalid_join_is_reported_and_the_stream_becomes_a_separate_call(
    said: dict[str, str], complaint: str
) -> None:
    opened = call_parameters.parse_parameters(said.items()).open("c2", (Role.AGENT,), 8_000, "l16")

    assert complaint in opened.warnings[0].message
    assert opened.joins == ()
    assert opened.call_id == f"{said.get('call_id', 'c2')}:agent"  # it takes the call from no other


def test_a_stream_whose_role_is_not_joined_is_a_call_of_its_own() -> None:
    call_params = call_parameters.parse_parameters([("call_id", "c1"), ("join", "customer-agent")])

    opened = call_params.open(None, (Role.MIXED,), 8_000, "l16")

    assert (opened.call_id, opened.joins) == ("c1:mixed", ())
    assert "does not name mixed" in opened.warnings[0].message
