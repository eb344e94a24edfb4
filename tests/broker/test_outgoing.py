"""Requests to servers of others: sent once they are due, tried again, never to addresses that are not permitted."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from redis.asyncio import Redis
from support.certificates import authority
from support.receiver import Receiver, receiving
from support.waiting import PATIENCE, until

from broker.outgoing.delivery_queue import Delivery, DeliveryQueue, QueueFullError
from broker.outgoing.http_client import HttpAnswer, OutgoingHttp, SendError
from broker.outgoing.sender import Sender
from broker.redis_keys import DeliveryKeys
from protocol.outgoing.destinations import Destinations, read_networks

KEYS = DeliveryKeys("test")
SECRET = "whsec_" + "A" * 40
LOCAL = Destinations(read_networks(["127.0.0.0/8"]))


def delivery(port: int, name: str = "msg_1") -> Delivery:
    return Delivery(name, f"http://127.0.0.1:{port}/hook?a=1", b'{"a": 1}', (SECRET,))


@asynccontextmanager
async def sending(queue: DeliveryQueue) -> AsyncIterator[Sender]:
    sender = Sender(queue, OutgoingHttp(LOCAL))
    running = asyncio.ensure_future(sender.run())
    yield sender
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.fixture
def queue(redis: Redis) -> DeliveryQueue:
    return DeliveryQueue(redis, KEYS)


async def waiting(redis: Redis, count: int) -> None:
    async def are_waiting() -> bool:
        return bool(await redis.hlen(KEYS.waiting) == count)

    await until(are_waiting)


async def failed(redis: Redis, queue: DeliveryQueue, sender: Sender) -> float:
    """Wait until an attempt has failed and the next is planned; make it due.  Returns its pause in seconds."""

    async def pause() -> float | None:
        (seconds, _), due = await redis.time(), await redis.zscore(KEYS.due, "k")
        assert due is not None
        return due - seconds if 0 < due - seconds < 50 else None  # a claim lasts longer

    found = await until(pause)
    await queue.postpone("k", 0)
    sender.wake()
    return found


async def test_a_failed_request_is_sent_again_with_the_same_id(
    redis: Redis, queue: DeliveryQueue
) -> None:
    async with receiving("500 Error", "302 Found") as receiver, sending(queue) as sender:
        await queue.put("k", delivery(receiver.port))
        sender.wake()
        first = await failed(redis, queue, sender)
        second = await failed(redis, queue, sender)
        came = await receiver.until(3)
        await waiting(redis, 0)

    assert [one.headers["webhook-id"] for one in came] == ["msg_1"] * 3
    assert {(one.path, one.body) for one in came} == {("/hook?a=1", b'{"a": 1}')}
    assert 0 < first <= 6 < second <= 36
    assert await redis.zcard(KEYS.due) == 0


async def test_a_receiver_that_is_gone_gets_nothing_more(
    redis: Redis, queue: DeliveryQueue
) -> None:
    async with receiving("410 Gone") as receiver, sending(queue):
        await queue.put("k", delivery(receiver.port))
        await receiver.until(1)
        await waiting(redis, 0)


async def test_what_a_sender_had_claimed_when_it_died_is_sent_by_another(
    redis: Redis, queue: DeliveryQueue
) -> None:
    async with receiving() as receiver:
        await queue.put("k", delivery(receiver.port))
        claimed = await queue.claim(8)
        other = await queue.claim(8)
        await queue.postpone("k", 0)  # the claim is over
        async with sending(queue):
            came = await receiver.until(1)
            await waiting(redis, 0)

    assert [one.key for one in claimed] == ["k"]
    assert other == []
    assert len(came) == 1


async def test_what_replaces_a_request_in_progress_is_sent_too(
    redis: Redis, queue: DeliveryQueue
) -> None:
    async with receiving() as receiver:
        await queue.put("k", delivery(receiver.port, "msg_1"))
        (claimed,) = await queue.claim(8)
        await queue.put("k", delivery(receiver.port, "msg_2"))
        await queue.settle(claimed)
        await queue.send_again(claimed, 100)
        async with sending(queue):
            came = await receiver.until(1)
            await waiting(redis, 0)

    assert [one.headers["webhook-id"] for one in came] == ["msg_2"]


async def test_a_queue_is_bounded(redis: Redis, queue: DeliveryQueue) -> None:
    await redis.hset(KEYS.waiting, mapping={str(number): b"" for number in range(1_000)})

    with pytest.raises(QueueFullError):
        await queue.put("k", delivery(1))
    await queue.put("17", delivery(1))
    await queue.postpone("unknown", 0)

    assert await redis.zrange(KEYS.due, 0, -1) == [b"17"]


async def test_the_dead_receiver_of_one_tenant_delays_no_other(
    redis: Redis, queue: DeliveryQueue
) -> None:
    held, is_called = list[asyncio.StreamWriter](), asyncio.Event()

    async def hang(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.append(writer)
        is_called.set()

    dead = await asyncio.start_server(hang, "127.0.0.1", 0)
    async with dead, receiving() as receiver, sending(queue) as sender:
        port = dead.sockets[0].getsockname()[1]
        for number in range(40):
            await queue.put(f"acme/{number}", delivery(port), tenant="acme")
        sender.wake()
        async with asyncio.timeout(PATIENCE):
            await is_called.wait()
        await queue.put("other/1", delivery(receiver.port), tenant="other")
        await queue.put("1", delivery(receiver.port))
        sender.wake()
        await receiver.until(2)
        waiting = await redis.hlen(KEYS.of("acme").waiting)
        for one in held:
            one.close()

    assert waiting == 40
    assert len(held) <= 4


async def test_each_tenant_has_a_bounded_queue_of_its_own(
    redis: Redis, queue: DeliveryQueue
) -> None:
    for number in range(3):
        await queue.put(str(number), delivery(1), tenant="acme", most=3)

    with pytest.raises(QueueFullError):
        await queue.put("3", delivery(1), tenant="acme", most=3)
    await queue.put("3", delivery(1), tenant="other", most=3)

    assert sorted(await queue.tenants()) == ["", "acme", "other"]


class Faulty:
    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> HttpAnswer:
        raise UnicodeError


async def test_an_unexpected_error_counts_as_a_failed_attempt(
    redis: Redis, queue: DeliveryQueue
) -> None:
    await queue.put("k", msgspec.structs.replace(delivery(1), attempts=10))
    running = asyncio.ensure_future(Sender(queue, Faulty()).run())
    await waiting(redis, 0)  # the eleventh attempt was the last
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.mark.parametrize("host", ["a..example", f"{'a' * 64}.example"])
async def test_a_name_that_cannot_be_one_is_a_failure(host: str) -> None:
    with pytest.raises(SendError, match="not the name of a server"):
        await OutgoingHttp(Destinations()).post(f"https://{host}/", {}, b"")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_name_that_resolves_to_a_private_address_is_refused(host: str) -> None:
    async with receiving() as receiver:
        with pytest.raises(SendError, match="not public"):
            await OutgoingHttp(Destinations()).post(f"https://{host}:{receiver.port}/", {}, b"")
        elsewhere = Destinations(read_networks(["10.0.0.0/8"]))
        with pytest.raises(SendError, match="use https"):
            await OutgoingHttp(elsewhere).post(f"http://{host}:{receiver.port}/", {}, b"")

    assert receiver.requests == []


async def test_a_receiver_is_known_by_its_certificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trusted, stranger = authority("trusted"), authority("stranger")
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted.own(tmp_path)))
    client = OutgoingHttp(LOCAL)
    answers: list[int | str] = []
    for signer in (trusted, stranger):
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(*signer.issue(tmp_path, "server"))
        async with receiving(tls=tls) as receiver:
            answers.append(await _answer(client, receiver))

    assert answers[0] == 200
    assert "the connection failed" in str(answers[1])


async def _answer(client: OutgoingHttp, receiver: Receiver) -> int | str:
    try:
        return (await client.post(f"https://localhost:{receiver.port}/", {}, b"{}")).status
    except SendError as exc:
        return str(exc)


async def test_an_answer_that_is_not_http_is_a_failure() -> None:
    async def nonsense(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(nonsense, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(SendError):
            await OutgoingHttp(LOCAL).post(f"http://127.0.0.1:{port}/", {}, b"")


async def test_interim_answers_without_end_are_a_failure() -> None:
    async def interim(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)
                await writer.drain()

    server = await asyncio.start_server(interim, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(SendError, match="not HTTP"):
            await OutgoingHttp(LOCAL).post(f"http://127.0.0.1:{port}/", {}, b"")
