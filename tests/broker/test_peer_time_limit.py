"""The time limit of a peer, and the time in which this process stood still."""

import asyncio
import socket

import pytest

from broker.peer_time_limit import PeerTimeLimit


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
