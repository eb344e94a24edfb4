"""AudioSocket over real sockets: authentication, audio, and the end of a call."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import numpy as np
import pytest
from redis.asyncio import Redis
from support.endpoints import ringing
from support.engines import LengthTeller
from support.http_client import http_client
from support.pipeline import Listener, pipeline
from support.ports import free_port
from support.waiting import PATIENCE
from websockets.asyncio.client import connect

from broker.redis_keys import CallKeys
from cli.recording import read_recording
from protocol.audio import Pcm
from protocol.auth.credentials import ApiKey, Keyring, Scope, digest, key_text
from protocol.dialects.audiosocket import HANG_UP, SILENCE, Frame, FrameSplitter
from streaming.endpoints.audiosocket import MOST_STRANGERS_PER_ADDRESS
from streaming.settings import GatewaySettings

PROMPT = Path(__file__).parents[2] / "speech" / "prompts" / "agent-alreadyon.wav"
HANGS_UP = FrameSplitter().receive(HANG_UP)


@dataclass(frozen=True, slots=True)
class GatewayAddresses:
    """Where the gateway can be reached."""

    ws: str
    http: str
    audiosocket: int

    async def announce(self, uuid: UUID, **said: object) -> httpx.Response:
        async with http_client() as client:
            return await client.put(f"{self.http}/v1/audiosocket/{uuid}", json=said)

    @asynccontextmanager
    async def listening(self, call_id: str) -> AsyncIterator[Listener]:
        heard = Listener()
        async with connect(f"{self.ws}/v1/calls/{call_id}/events") as socket:
            task = asyncio.ensure_future(heard.listen(socket))
            yield heard
            task.cancel()


@asynccontextmanager
async def gateway(redis: Redis, folder: Path, **said: object) -> AsyncIterator[GatewayAddresses]:
    http_port, audiosocket_port = free_port(), free_port()
    settings = GatewaySettings.model_validate(
        {"http_port": http_port, "audiosocket_port": audiosocket_port, "drain_seconds": 0, **said}
    )
    async with pipeline(redis, folder, LengthTeller(), gateway=settings) as it:
        yield GatewayAddresses(it.url, f"http://127.0.0.1:{http_port}", audiosocket_port)


def speech() -> Pcm:
    return read_recording(PROMPT).channels[0]


async def test_an_announced_call_has_the_call_id_of_its_announcement(
    redis: Redis, tmp_path: Path
) -> None:
    uuid = uuid4()

    async with gateway(redis, tmp_path) as endpoints, endpoints.listening("crm-17") as heard:
        await endpoints.announce(uuid, call_id="crm-17", role="customer", keywords=["Acme"])
        async with ringing(endpoints.audiosocket, uuid) as caller:
            await caller.speak(speech(), pace=20)
            await caller.say(Frame(0x03, b"7"))
            await caller.say(Frame(0x00))
            ended = await heard.until("call.ended")
            last_frame = await caller.receives()

    started = heard.events[0]
    assert (started["dialect"], started["roles"]) == ("audiosocket", ["customer"])
    assert heard.of("dtmf")[0]["digit"] == "7"
    assert all("Acme" in final["text"] for final in heard.of("segment.final"))
    assert ended["duration_ms"] == len(speech()) // 8
    assert ended["reason"] == "completed"
    assert last_frame == HANGS_UP


async def test_a_line_that_breaks_keeps_its_last_words(redis: Redis, tmp_path: Path) -> None:
    uuid = uuid4()

    async with gateway(redis, tmp_path, audiosocket_open=True) as endpoints:
        async with endpoints.listening(str(uuid)) as heard:
            async with ringing(endpoints.audiosocket, uuid) as caller:
                await caller.speak(speech())
            ended = await heard.until("call.ended")

    assert ended["segments"] == len(heard.of("segment.final")) >= 1
    assert sum(ended["channels"][0].values()) == len(speech()) // 8


async def test_wide_sound_counts_on_the_clock_of_the_call(redis: Redis, tmp_path: Path) -> None:
    uuid = uuid4()

    async with gateway(redis, tmp_path, audiosocket_open=True) as endpoints:
        async with (
            endpoints.listening(str(uuid)) as heard,
            ringing(endpoints.audiosocket, uuid) as caller,
        ):
            await caller.speak(np.repeat(speech(), 2), kind=0x12)
            await caller.say(Frame(0x00))
            ended = await heard.until("call.ended")

    assert ended["duration_ms"] == len(speech()) // 8


async def test_a_call_that_was_not_announced_is_hung_up(redis: Redis, tmp_path: Path) -> None:
    async with (
        gateway(redis, tmp_path) as endpoints,
        ringing(endpoints.audiosocket, uuid4()) as caller,
    ):
        assert await caller.receives() == HANGS_UP


async def test_an_announcement_is_good_for_one_call(redis: Redis, tmp_path: Path) -> None:
    uuid = uuid4()

    async with gateway(redis, tmp_path) as endpoints:
        await endpoints.announce(uuid)
        async with (
            ringing(endpoints.audiosocket, uuid) as first,
            ringing(endpoints.audiosocket, uuid) as second,
        ):
            assert await second.receives() == HANGS_UP
            await first.say(Frame(0x00))
            assert await first.receives() == HANGS_UP


async def test_no_call_is_let_in_beyond_the_most(redis: Redis, tmp_path: Path) -> None:
    first, second = uuid4(), uuid4()

    async with gateway(redis, tmp_path, audiosocket_open=True, max_calls=1) as endpoints:
        async with (
            endpoints.listening(str(first)) as heard,
            ringing(endpoints.audiosocket, first) as caller,
        ):
            await caller.speak(np.zeros(160, np.int16))
            await heard.until("call.started")
            async with ringing(endpoints.audiosocket, second) as refused:
                assert await refused.receives() == HANGS_UP


async def test_a_stranger_does_not_touch_the_calls_of_others(redis: Redis, tmp_path: Path) -> None:
    uuid = uuid4()

    async with gateway(redis, tmp_path, audiosocket_open=True) as endpoints:
        async with (
            endpoints.listening(str(uuid)) as heard,
            ringing(endpoints.audiosocket, uuid) as caller,
        ):
            await caller.speak(speech()[:8_000])
            reader, writer = await asyncio.open_connection("127.0.0.1", endpoints.audiosocket)
            writer.write(b"GET /v1/calls HTTP/1.1\r\nHost: x\r\n\r\n")
            assert FrameSplitter().receive(await reader.read()) == HANGS_UP
            await caller.speak(speech()[8_000:])
            await caller.say(Frame(0x00))
            ended = await heard.until("call.ended")

    assert ended["duration_ms"] == len(speech()) // 8


async def test_silent_connections_give_way_to_announced_calls(redis: Redis, tmp_path: Path) -> None:
    uuid = uuid4()

    async with gateway(redis, tmp_path) as endpoints, AsyncExitStack() as silent:
        await endpoints.announce(uuid, call_id="c-1")
        for _ in range(MOST_STRANGERS_PER_ADDRESS):
            _, writer = await asyncio.open_connection("127.0.0.1", endpoints.audiosocket)
            silent.callback(writer.close)
        async with (
            endpoints.listening("c-1") as heard,
            ringing(endpoints.audiosocket, uuid) as caller,
        ):
            await caller.speak(speech()[:8_000])
            await caller.say(Frame(0x00))
            ended = await heard.until("call.ended")

    assert ended["duration_ms"] == 1_000


async def test_a_protocol_violation_ends_the_call_with_everything_received_so_far(
    redis: Redis, tmp_path: Path
) -> None:
    uuid = uuid4()

    async with gateway(redis, tmp_path, audiosocket_open=True, max_bad_messages=3) as endpoints:
        async with (
            endpoints.listening(str(uuid)) as heard,
            ringing(endpoints.audiosocket, uuid) as caller,
        ):
            await caller.speak(speech())
            for _ in range(3):
                await caller.say(Frame(0x16, bytes(960)))
            ended = await heard.until("call.ended")
            last_frame = await caller.receives()

    assert ended["duration_ms"] == len(speech()) // 8
    assert last_frame == HANGS_UP


async def test_a_silent_caller_is_kept_on_the_line(redis: Redis, tmp_path: Path) -> None:
    """`AudioSocket()` would give up after two seconds in which neither side says anything."""
    async with gateway(redis, tmp_path, audiosocket_open=True) as endpoints:
        async with ringing(endpoints.audiosocket, uuid4()) as caller:
            said = await caller.reader.readexactly(len(SILENCE))

    assert said == SILENCE


# Whose call it is


def keys_file(folder: Path, **tenants: Scope) -> tuple[Path, dict[str, str]]:
    """A file with a key for each tenant, and the headers that show it."""
    texts = {name: key_text(f"{name}00000", name.encode().ljust(32)) for name in tenants}
    keys = [
        ApiKey(f"{name}00000", digest(texts[name]), name, (scope,), created=0.0)
        for name, scope in tenants.items()
    ]
    path = folder / "keys.json"
    path.write_bytes(Keyring(keys).encoded())
    path.chmod(0o600)
    return path, {name: f"Bearer {text}" for name, text in texts.items()}


async def test_a_call_belongs_to_the_tenant_that_announced_it(redis: Redis, tmp_path: Path) -> None:
    uuid = uuid4()
    keys, shown = keys_file(tmp_path, acme=Scope.ADMIN, other=Scope.READ)

    async with gateway(redis, tmp_path, keys_file=str(keys)) as endpoints:
        async with http_client(
            headers={"Authorization": shown["acme"]}, timeout=PATIENCE
        ) as client:
            url = f"{endpoints.http}/v1/audiosocket/{uuid}"
            assert (await client.put(url, json={"call_id": "c1"})).status_code == 201
        events = f"{endpoints.ws}/v1/calls/c1/events"
        heard = Listener()
        async with connect(events, additional_headers={"Authorization": shown["acme"]}) as reader:
            listening = asyncio.ensure_future(heard.listen(reader))
            async with ringing(endpoints.audiosocket, uuid) as caller:
                await caller.speak(speech())
                await caller.say(Frame(0x00))
                await listening
        filed = await redis.exists(CallKeys.of("acme/c1", 1).log)

    assert heard.events[-1]["type"] == "call.ended"
    assert filed


@pytest.mark.parametrize(("who", "status"), [(None, 401), ("other", 403)])
async def test_a_key_without_ingest_scope_may_not_announce_calls(
    redis: Redis, tmp_path: Path, who: str | None, status: int
) -> None:
    keys, shown = keys_file(tmp_path, other=Scope.READ)
    headers = {"Authorization": shown[who]} if who else {}

    async with gateway(redis, tmp_path, keys_file=str(keys)) as endpoints:
        async with http_client(headers=headers) as client:
            answer = await client.put(f"{endpoints.http}/v1/audiosocket/{uuid4()}")

    assert answer.status_code == status


# Announcing


async def test_an_announcement_says_what_was_understood(redis: Redis, tmp_path: Path) -> None:
    uuid = uuid4()

    async with gateway(redis, tmp_path) as endpoints:
        answer = await endpoints.announce(uuid, call_id="c1", keywords=["Acme", "?!"])

    assert answer.status_code == 201
    assert answer.json()["call_id"] == "c1"
    assert len(answer.json()["rejected_keywords"]) == 1


async def test_asterisks_curl_announces_with_a_form(redis: Redis, tmp_path: Path) -> None:
    async with gateway(redis, tmp_path) as endpoints, http_client() as client:
        form = {"call_id": "c2", "keywords": "Acme"}
        answer = await client.post(f"{endpoints.http}/v1/audiosocket/{uuid4()}", data=form)

    assert answer.status_code == 201
    assert answer.json()["call_id"] == "c2"


async def test_unknown_fields_of_an_announcement_are_reported_and_the_call_is_accepted(
    redis: Redis, tmp_path: Path
) -> None:
    said = {"call_id": "a8@192.0.2.7", "role": "boss", "keywords": [{"phrase": "Acme", "boost": 9}]}
    async with gateway(redis, tmp_path) as endpoints, http_client() as client:
        answer = await client.put(f"{endpoints.http}/v1/audiosocket/{uuid4()}", json=said)

    assert answer.status_code == 201
    assert answer.json()["call_id"] == "a8=40192.0.2.7"
    assert [one.split(":")[0] for one in answer.json()["warnings"]] == ["role was ignored"]


SOME_UUID = "40325ec2-5efd-4bd3-805f-53576e581d13"


@pytest.mark.parametrize(
    ("path", "body", "complaint"),
    [
        ("not-a-uuid", b"", "UUID"),
        (SOME_UUID, b"\xff", "a JSON object or a form"),
        (SOME_UUID, b"{]", "not a JSON message"),
        (SOME_UUID, b"x" * 600_000, "more than 524288 bytes"),
    ],
)
async def test_an_invalid_announcement_gets_the_reason(
    redis: Redis, tmp_path: Path, path: str, body: bytes, complaint: str
) -> None:
    async with gateway(redis, tmp_path) as endpoints, http_client() as client:
        answer = await client.put(f"{endpoints.http}/v1/audiosocket/{path}", content=body)

    assert answer.status_code == 400
    assert complaint in answer.text
