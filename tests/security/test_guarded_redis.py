"""A Redis with mutual TLS, where each part is a user with the least permissions."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import redis as sync_redis
from redis.asyncio import Redis
from redis.exceptions import RedisError
from support.api import bearer, running_api
from support.certificates import authority
from support.containers import packed
from support.endpoints import sent_events
from support.engines import LengthTeller
from support.http_client import http_client
from support.pipeline import calling, gateway, stream
from support.ports import free_port
from support.proxy import proxied
from support.receiver import receiving
from support.spoken_calls import AUDIO, assert_whole
from support.stored import stored_call
from support.valkey import ValkeyServer
from websockets.asyncio.client import connect as websocket
from websockets.exceptions import InvalidStatus

from broker.connections.connection import UnusableRedisError, check, connect
from broker.credentials.key_changes import create_key
from broker.redis_keys import Partition
from protocol.audio import Encoding, decode
from protocol.auth.credentials import Scope
from protocol.settings import RedisSettings
from streaming.settings import GatewaySettings
from transcripts.api.settings import ApiSettings
from transcripts.recorder import Recorder
from transcripts.store import Store
from workers.job_queue import WorkQueue
from workers.settings import WorkerSettings
from workers.worker import Worker

USERS = Path(__file__).parent.parent.parent / "docker" / "users.acl"
PARTS = ("gateway", "worker", "recorder", "api")


@pytest.fixture
def guarded(valkey: ValkeyServer) -> Iterator[sync_redis.Redis]:
    """The operator's own client of a server that knows the users of docker/users.acl and no other."""
    operator = sync_redis.Redis(unix_socket_path=str(valkey.socket), decode_responses=True)
    operator.execute_command("ACL", "SETUSER", "operator", "on", ">operator", "~*", "&*", "+@all")
    operator.auth("operator", username="operator")
    for line in USERS.read_text().splitlines():
        operator.execute_command("ACL", "SETUSER", *line.split()[1:])
    yield operator
    operator.close()


@pytest.fixture
async def urls(
    guarded: sync_redis.Redis, valkey: ValkeyServer, tmp_path: Path
) -> AsyncIterator[dict[str, str]]:
    """The TRUNKLINE_REDIS_URL of each part."""
    ca = authority("the site's CA")
    files = {name: ca.issue(tmp_path, name) for name in ("valkey", *PARTS)}
    there = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(ca.own(tmp_path)))
    there.load_cert_chain(*files["valkey"])
    there.verify_mode = ssl.CERT_REQUIRED
    async with proxied(valkey.socket, there) as line:
        yield {
            name: f"rediss://{name}:CHANGE-{name}@localhost:{line.port}/0?ssl_ca_certs={tmp_path}/ca.pem"
            f"&ssl_certfile={files[name][0]}&ssl_keyfile={files[name][1]}"
            for name in PARTS
        }


@asynccontextmanager
async def parallel(*work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run parts of the pipeline while the context lasts."""
    running = [asyncio.ensure_future(one) for one in work]
    try:
        yield
    finally:
        for one in running:
            one.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def new_key(file: Path) -> str:
    """Return a key that permits everything; it is written to `file`."""
    every = tuple(Scope)
    return create_key(file, owner="", scopes=every, days=None, note="", now=time.time())


@asynccontextmanager
async def client(url: str) -> AsyncIterator[Redis]:
    redis = connect(RedisSettings(url=url))
    yield redis
    await redis.aclose()


async def test_a_call_goes_through_with_what_each_part_may_do(
    urls: dict[str, str], guarded: sync_redis.Redis, tmp_path: Path
) -> None:
    store = Store.open(f"sqlite:///{tmp_path / 'store.db'}")
    async with AsyncExitStack() as opened:
        redis = {name: await opened.enter_async_context(client(urls[name])) for name in PARTS}
        for name in PARTS:
            await check(redis[name], urls[name])
        queue = WorkQueue(redis["worker"], [Partition(0)], "worker-1")
        await queue.prepare()
        await opened.enter_async_context(
            parallel(
                Worker(queue, [Partition(0)], LengthTeller(), WorkerSettings()).run(),
                Recorder(redis["recorder"], store, [Partition(0).outbox], "recorder-1").run(),
            )
        )
        async with gateway(redis["gateway"]) as url, running_api(redis["api"], store) as api:
            async with calling(url, call_id="c1", resumable=True) as (bridge, heard):
                await heard.until("call.started")
                for method, path, body in (
                    ("PUT", "keywords", {"keywords": ["Acme"]}),
                    ("POST", "pause", None),
                    ("POST", "resume", None),
                ):
                    done = await api.client.request(method, f"/v1/calls/c1/{path}", json=body)
                    assert done.status_code == 200, done.text
                await stream(bridge, AUDIO, frame=160, pace=20)
                await bridge.send('{"type":"stop"}')
                await heard.until("call.ended")
            await stored_call(store, "c1")
            events = await api.client.get("/v1/calls/c1/events")
            deleted = await api.client.delete("/v1/calls/c1")
        assert (events.json()["status"], deleted.status_code) == ("ended", 204)
    store.close()

    assert guarded.execute_command("ACL", "LOG") == []
    heard.events = [event for event in heard.events if event["type"] != "ready"]
    assert_whole(heard)


async def test_jobs_pages_and_refusals_go_through_with_what_each_part_may_do(
    urls: dict[str, str], guarded: sync_redis.Redis, tmp_path: Path
) -> None:
    store = Store.open(f"sqlite:///{tmp_path / 'store.db'}")
    port = free_port()
    settings = GatewaySettings(
        http_port=port, drain_seconds=0, callback_networks="127.0.0.1", audio_pace=20
    )
    async with AsyncExitStack() as opened:
        redis = {name: await opened.enter_async_context(client(urls[name])) for name in PARTS}
        queue = WorkQueue(redis["worker"], [Partition(0)], "worker-1")
        await queue.prepare()
        await opened.enter_async_context(
            parallel(
                Worker(queue, [Partition(0)], LengthTeller(), WorkerSettings()).run(),
                Recorder(redis["recorder"], store, [Partition(0).outbox], "recorder-1").run(),
            )
        )
        receiver = await opened.enter_async_context(receiving("503 Busy"))
        url = await opened.enter_async_context(gateway(redis["gateway"], settings))
        admin = bearer(new_key(tmp_path / "keys.json"))
        keyed = ApiSettings(keys_file=str(tmp_path / "keys.json"))
        api = await opened.enter_async_context(running_api(redis["api"], store, keyed))
        http = await opened.enter_async_context(
            http_client(base_url=f"http://127.0.0.1:{port}", timeout=60)
        )
        posted = await http.post(
            "/v1/listen",
            params={"callback": f"http://127.0.0.1:{receiver.port}/x", "call_id": "c2"},
            content=packed(decode(AUDIO, Encoding.MULAW), "wav"),
        )
        with pytest.raises(InvalidStatus):
            async with websocket(f"{url}/v1/no-such-path"):
                pass
        read = [await api.client.get(path, headers=admin) for path in ("/v1/connect", "/v1/health")]
        async with calling(url, call_id="c1"):
            wall = sent_events(f"{api.url}/v1/live", admin | {"accept": "text/event-stream"})
            async with asyncio.timeout(60), aclosing(wall):
                while "c1" not in str(await anext(wall)):
                    pass
        told = await receiver.until(2)  # the first is sent again
        job = await http.get("/v1/jobs/c2")
        await stored_call(store, "c2")
    store.close()

    assert posted.status_code == 200
    assert job.json()["status"] == "done"
    assert [one.status_code for one in read] == [200, 200]
    assert read[0].json()["refused"] != []
    assert len(told) == 2
    assert guarded.execute_command("ACL", "LOG") == []


FORBIDDEN = [
    ("gateway", "FLUSHALL"),
    ("gateway", "KEYS *"),
    ("gateway", "CONFIG GET maxmemory"),
    ("gateway", "XREADGROUP GROUP workers me STREAMS trunkline:{p0}:finals >"),
    ("gateway", "EVAL return(redis.call('FLUSHALL')) 0"),
    ("gateway", "GET others:key"),
    ("gateway", "SUBSCRIBE others"),
    ("gateway", "ACL LIST"),
    ("worker", "XADD others:key * a b"),
    ("worker", "SUBSCRIBE trunkline:{p0}:call:c1:live"),
    ("worker", "EVAL return(redis.call('KEYS','*')) 0"),
    ("recorder", "GET trunkline:{p0}:call:c1:audio:0-0"),
    ("recorder", "XRANGE trunkline:{p0}:call:c1:log - +"),
    ("recorder", "EVAL return(1) 0"),
    ("recorder", "PUBLISH trunkline:{p0}:call:c1:live x"),
    ("api", "GET trunkline:{p0}:call:c1:audio:0-0"),
    ("api", "XADD trunkline:{p0}:finals * a b"),
    ("api", "SET trunkline:{p0}:call:c1:meta x"),
    ("api", "FLUSHALL"),
]


@pytest.mark.parametrize(("part", "command"), FORBIDDEN, ids=lambda text: text.split()[0])
async def test_no_part_may_do_what_it_is_not_for(
    urls: dict[str, str], part: str, command: str
) -> None:
    async with client(urls[part]) as redis:
        with pytest.raises(RedisError, match=r"permission|NOPERM|can't"):
            await redis.execute_command(*command.split())


async def test_a_wrong_password_is_reported_as_such(urls: dict[str, str]) -> None:
    url = urls["gateway"].replace("CHANGE-gateway", "guessed")
    async with client(url) as redis:
        with pytest.raises(
            UnusableRedisError, match="check the user name and the password"
        ) as refused:
            await check(redis, url)

    assert "guessed" not in str(refused.value)


async def test_a_client_without_a_certificate_is_refused(urls: dict[str, str]) -> None:
    url = urls["gateway"].partition("&ssl_certfile")[0]
    async with client(url) as redis:
        with pytest.raises(UnusableRedisError, match="no Redis server answers"):
            await check(redis, url)
