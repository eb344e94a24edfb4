"""
A gateway as an operator starts it, attacked by web pages, by odd spellings of paths, and by clients that never finish.

One process for all: `trunkline gateway` with a Valkey of the test's own, from an ordinary environment.
"""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass

import pytest
from support.credentials import Site, bearer, site, token
from support.http_client import http_client
from support.ports import free_port
from support.valkey import ValkeyServer
from support.waiting import PATIENCE
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from protocol.dialects import registry

EVIL, ALLOWED = "https://evil.example", "https://app.example.com"
EVENTS = "/v1/calls/c-1/events"
UUID = "9b1deb4d-3b7d-4bad-9bdd-2b0d7b3dcb6d"


@dataclass(frozen=True, slots=True)
class GatewayAddress:
    """Where a gateway listens."""

    ws: int
    http: int
    metrics: int

    async def status(self, path: str, **headers: str) -> int:
        """Of a WebSocket handshake."""
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            async with connect(f"ws://127.0.0.1:{self.ws}{path}", additional_headers=named):
                return 101
        except InvalidStatus as refused:
            return refused.response.status_code


@contextmanager
def started(valkey: ValkeyServer, *flags: str) -> Iterator[GatewayAddress]:
    """`trunkline gateway`, until it is ready."""
    where = GatewayAddress(free_port(), free_port(), free_port())
    ready, told = os.pipe()
    ports = ("--port", where.ws, "--http-port", where.http, "--metrics-port", where.metrics)
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "trunkline", "gateway"),
            *map(str, ports),
            *("--drain-seconds", "0", *flags),
        ],
        env={**os.environ, "TRUNKLINE_REDIS_URL": valkey.url, "TRUNKLINE_READY_FD": str(told)},
        pass_fds=(told,),
    )
    os.close(told)
    try:
        with os.fdopen(ready) as line:
            assert line.readline().strip() == str(where.ws), "the gateway did not start"
        yield where
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    with ValkeyServer(tmp_path_factory.mktemp("valkey") / "valkey.sock") as running:
        yield running


@pytest.fixture(scope="module")
def keyless(server: ValkeyServer) -> Iterator[GatewayAddress]:
    with started(server, "--allowed-origins", ALLOWED, "--header-seconds", "1") as process:
        yield process


@pytest.fixture(scope="module")
def keyed_site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return site(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def keyed(server: ValkeyServer, keyed_site: Site) -> Iterator[GatewayAddress]:
    with started(server, "--keys-file", str(keyed_site.file)) as process:
        yield process


# Pages


@pytest.mark.parametrize("path", ["/v1/calls", EVENTS, "/v1/listen", "/twilio"])
async def test_pages_of_other_sites_open_no_websocket(keyless: GatewayAddress, path: str) -> None:
    own = f"http://127.0.0.1:{keyless.ws}"

    assert await keyless.status(path, Origin=EVIL) == 403
    assert await keyless.status(path, Origin="null") == 403
    assert await keyless.status(path, Origin=own) == 101
    assert await keyless.status(path, Origin=ALLOWED) == 101
    assert await keyless.status(path) == 101


async def test_a_rebound_name_reads_and_posts_nothing(keyless: GatewayAddress) -> None:
    rebound = {"Host": f"rebind.evil.example:{keyless.http}"}
    async with http_client(base_url=f"http://127.0.0.1:{keyless.http}", timeout=PATIENCE) as client:
        answers = [
            await client.get(EVENTS, headers=rebound),
            await client.post("/v1/listen?encoding=mulaw", headers=rebound, content=b"\xff" * 800),
            await client.put(f"/v1/audiosocket/{UUID}", headers=rebound),
            await client.get("/", headers=rebound),
            await client.post("/v1/listen", headers={"Origin": EVIL}, content=b"x"),
            await client.get(EVENTS, headers={"Sec-Fetch-Site": "cross-site"}),
        ]

    assert [answer.status_code for answer in answers] == [403] * 6
    assert all("access-control-allow-origin" not in answer.headers for answer in answers)


async def test_every_port_looks_at_host_and_origin(keyless: GatewayAddress) -> None:
    async with http_client() as client:
        for port, path in [
            (keyless.ws, "/livez"), (keyless.ws, "/readyz"), (keyless.http, EVENTS),
            (keyless.metrics, "/metrics"), (keyless.metrics, "/livez"),
        ]:  # fmt: skip
            url = f"http://127.0.0.1:{port}{path}"
            for wrong in ({"Host": "rebind.evil.example"}, {"Origin": EVIL}):
                assert (await client.get(url, headers=wrong)).status_code == 403, (url, wrong)
        for port in (keyless.ws, keyless.metrics):
            assert (await client.get(f"http://localhost:{port}/livez")).status_code == 200


async def test_pages_of_allowed_origins_may_read_answers(keyless: GatewayAddress) -> None:
    asks = {
        "Origin": ALLOWED,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }
    async with http_client(base_url=f"http://127.0.0.1:{keyless.http}", timeout=PATIENCE) as client:
        preflight = await client.options("/v1/listen", headers=asks)
        refused = await client.options("/v1/listen", headers={**asks, "Origin": EVIL})
        answer = await client.post("/v1/listen", headers={"Origin": ALLOWED}, content=b"ID3")

    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == ALLOWED
    assert answer.headers["access-control-allow-origin"] == ALLOWED
    assert refused.status_code == 403
    assert not [name for name in refused.headers if name.startswith("access-control")]


async def test_a_key_does_not_open_the_gateway_to_pages_of_other_sites(
    keyed: GatewayAddress, keyed_site: Site
) -> None:
    key = bearer(keyed_site.acme)

    assert await keyed.status("/v1/calls", Origin=EVIL, **key) == 403
    async with http_client(
        base_url=f"http://127.0.0.1:{keyed.http}", headers=key, timeout=PATIENCE
    ) as client:
        by_name = await client.post("/v1/listen", headers={"Host": "gateway:8081"}, content=b"ID3")
        named = {"Host": "x.example", "Origin": "http://x.example"}
        page = await client.post("/v1/listen", headers=named, content=b"ID3")
    assert (by_name.status_code, page.status_code) == (400, 403)
    assert await keyed.status("/freeswitch", Origin="http://127.0.0.1", **key) == 101
    assert await keyed.status("/v1/calls") == 401


# Paths

ROUTES = (*registry.paths(), EVENTS, f"/v1/audiosocket/{UUID}")


def spellings(path: str) -> list[str]:
    """Other ways to write a path, which some reader might take for it."""
    last = path.rindex("/")
    ends = (
        "%0A",
        "%00",
        "%0a%0d",
        ";x",
        ";",
        "%3B",
        ".",
        "..",
        "/..",
        "/.",
        "%2F",
        "%20",
        "%C2%A0",
        "%",
        "%zz",
        "//",
    )
    return [
        *(path + end for end in ends),
        "/" + path, "/." + path, path.upper(), path.replace("/", "%2F"), "//127.0.0.1" + path,
        path[:last] + "//" + path[last + 1:], path[:last] + "/%2e%2e" + path[last:],
        path[:last] + ";x" + path[last:], path[:last + 1] + "%" + f"{ord(path[last + 1]):02x}" + path[last + 2:],
        f"http://127.0.0.1{path}", path.replace("1", "%D9%A1"), path + "#x", path + "/x",
    ]  # fmt: skip


async def raw_status(port: int, method: str, target: str, key: str) -> int:
    """Of a request whose target is written as it is given."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    upgrade = (
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    )
    writer.write(
        f"{method} {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n"
        f"{upgrade}\r\n".encode()
    )
    line = await reader.readline()
    writer.close()
    return int(line.split()[1]) if line else 0


@pytest.mark.waits
async def test_no_spelling_gives_a_key_more_than_the_path_itself(
    keyed: GatewayAddress, keyed_site: Site
) -> None:
    """A bridge's key reads no events, a reader's brings no call, a token of one call reads no other."""
    wrong = {
        EVENTS: (keyed_site.acme_bridge, token(call="c-2", scope="read")),
        **dict.fromkeys(registry.paths(), (keyed_site.acme_reader,)),
        f"/v1/audiosocket/{UUID}": (keyed_site.acme_reader,),
    }
    heard = [
        (port, method, target, await raw_status(port, method, target, key))
        for path in ROUTES
        for key in wrong[path]
        for target in (path, *spellings(path))
        for port, method in (
            (keyed.ws, "GET"), (keyed.http, "GET"), (keyed.http, "PUT" if "audio" in path else "POST"),
        )
    ]  # fmt: skip

    assert len(heard) > 1_000
    assert [one for one in heard if one[-1] not in (400, 403, 404, 405)] == []


async def test_a_reader_gets_the_events_of_the_call_it_may_read_only(keyed: GatewayAddress) -> None:
    mine = token(call="c-1", scope="read")

    assert await raw_status(keyed.ws, "GET", EVENTS, mine) == 101
    assert await raw_status(keyed.http, "GET", EVENTS, mine) == 200
    assert await raw_status(keyed.http, "GET", "/v1/calls/c%2D1/events", mine) == 200
    assert await raw_status(keyed.http, "GET", "/v1/calls/c-2/events", mine) == 403


# Clients that never finish


@pytest.fixture
async def opened() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


async def test_incomplete_requests_do_not_block_other_clients(
    keyless: GatewayAddress, opened: AsyncExitStack
) -> None:
    slow = []
    for _ in range(1_000):
        reader, writer = await asyncio.open_connection("127.0.0.1", keyless.http)
        opened.callback(writer.close)
        writer.write(b"GET /v1/listen HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        slow.append(reader)
    async with http_client() as client:
        answer = await client.post(f"http://127.0.0.1:{keyless.http}/v1/listen", content=b"ID3")
        async with asyncio.timeout(PATIENCE):
            last = await slow[-1].read()
        metrics = (await client.get(f"http://127.0.0.1:{keyless.metrics}/metrics")).text

    assert answer.status_code == 400
    assert last.startswith(b"HTTP/1.1 408") or last == b""
    assert 'trunkline_connections_rejected_total{reason="evicted"}' in metrics


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 9_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: x\r\n" * 200 + b"\r\n", 431),
        (b"GET /" + b"x" * 9_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 90_000, 431),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.0\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: x", 408),
    ],
)
async def test_headers_have_the_documented_limits_on_the_http_port(
    keyless: GatewayAddress, opened: AsyncExitStack, head: bytes, status: int
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", keyless.http)
    opened.callback(writer.close)
    writer.write(head)
    async with asyncio.timeout(PATIENCE):
        line = await reader.readline()

    assert line.startswith(f"HTTP/1.1 {status}".encode())


async def test_trickled_uploads_of_a_site_take_no_place_of_work(
    keyless: GatewayAddress, opened: AsyncExitStack
) -> None:
    for _ in range(8):
        _, writer = await asyncio.open_connection("127.0.0.1", keyless.http)
        opened.callback(writer.close)
        writer.write(b"POST /v1/listen HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\nx")
    async with http_client() as client:
        answer = await client.post(f"http://127.0.0.1:{keyless.http}/v1/listen", content=b"ID3")

    assert answer.status_code == 400, "it was read, and is no recording"
    assert "send a WAV file" in json.loads(answer.text)["err_msg"]
