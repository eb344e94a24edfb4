"""The turn in which all calls write what can wait."""

import asyncio

from support.waiting import PATIENCE

from streaming.session.calls.shared_turn import SharedTurn


async def test_all_that_wait_are_woken_together_and_once() -> None:
    turn, woken, told = SharedTurn(0.01), list[str](), asyncio.Event()
    for name in ("a", "b"):
        turn.wake(lambda name=name: woken.append(name))  # type: ignore[misc]
    turn.wake(told.set)
    before = list(woken)
    async with asyncio.timeout(PATIENCE):
        await told.wait()
    told.clear()
    turn.wake(told.set)
    async with asyncio.timeout(PATIENCE):
        await told.wait()

    assert (before, woken) == ([], ["a", "b"])


async def test_one_that_waits_again_when_it_is_woken_gets_a_later_turn() -> None:
    turn, times, told = SharedTurn(0.01), list[float](), asyncio.Event()
    loop = asyncio.get_running_loop()

    def take() -> None:
        times.append(loop.time())
        if len(times) < 3:
            turn.wake(take)
        else:
            told.set()

    turn.wake(take)
    async with asyncio.timeout(PATIENCE):
        await told.wait()

    assert times[0] < times[-1]


async def test_many_are_woken_in_several_turns_of_the_event_loop() -> None:
    """Between them, audio that has arrived is read."""
    turn, told = SharedTurn(0.01), asyncio.Event()
    loop, woken, turns = asyncio.get_running_loop(), list[int](), [0]

    def count() -> None:
        turns[0] += 1
        if not told.is_set():
            loop.call_soon(count)

    count()
    for _ in range(40):
        turn.wake(lambda: woken.append(turns[0]))
    turn.wake(told.set)
    async with asyncio.timeout(PATIENCE):
        await told.wait()

    assert len(woken) == 40
    assert len(set(woken)) > 1
