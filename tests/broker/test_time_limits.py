"""The time limit of a peer, and the time in which this process stood still."""

import asyncio
import socket

import pytest

from broker.time_limits import PeerTimeLimit, TimeLimit


class StallingLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock can jump, as it does for a process that was stopped."""

    jumped = 0.0

    def time(self) -> float:
        return super().time() + self.jumped


async def read_across_a_stall(loop: StallingLoop, limit_seconds: float) -> bytes:
    """Read what a peer sends while this process stands still for a hundred times the limit."""
    ours, theirs = socket.socketpair()

    def stand_still() -> None:
        theirs.send(b"read")
        loop.jumped += 100 * limit_seconds

    with ours, theirs:
        ours.setblocking(False)
        loop.call_soon(stand_still)
        async with PeerTimeLimit(limit_seconds):
            return await loop.sock_recv(ours, 4)


def test_a_stall_of_this_process_is_not_counted_against_the_peer() -> None:
    loop = StallingLoop()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        assert runner.run(read_across_a_stall(loop, 5)) == b"read"


async def test_a_peer_that_does_not_answer_is_given_up() -> None:
    with pytest.raises(TimeoutError):
        async with PeerTimeLimit(0.05):
            await asyncio.Event().wait()


async def test_a_limit_can_be_shortened_and_not_prolonged() -> None:
    with pytest.raises(TimeoutError):
        async with PeerTimeLimit(3_600) as limit:
            limit.shorten(0.05)
            limit.shorten(7_200)
            await asyncio.Event().wait()


async def test_an_answer_in_time_and_an_error_of_the_body_pass() -> None:
    async with PeerTimeLimit(5) as limit:
        limit.shorten(4)
    with pytest.raises(ConnectionError):
        async with PeerTimeLimit(5):
            raise ConnectionError


@pytest.mark.parametrize("limit", [TimeLimit, PeerTimeLimit])
async def test_a_time_limit_holds_in_a_task_that_is_being_cancelled(
    limit: type[TimeLimit] | type[PeerTimeLimit],
) -> None:
    """As every wait of a process that stops.  `asyncio.timeout` of Python 3.11.2 raises CancelledError here."""
    limited = asyncio.Event()

    async def stop() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            with pytest.raises(TimeoutError):
                async with limit(0.01):
                    await asyncio.Event().wait()
            limited.set()

    stopping = asyncio.create_task(stop())
    await asyncio.sleep(0)
    stopping.cancel()
    await asyncio.wait({stopping})

    assert limited.is_set()
    assert stopping.cancelled()


async def test_a_cancellation_from_outside_is_no_time_out() -> None:
    async def wait() -> None:
        async with TimeLimit(3_600):
            await asyncio.Event().wait()

    waiting = asyncio.create_task(wait())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait({waiting})

    assert waiting.cancelled()


async def test_a_time_limit_of_none_has_no_end() -> None:
    async with TimeLimit(None):
        await asyncio.sleep(0)
