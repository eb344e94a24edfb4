"""What is still to be done for a call that is over."""

import asyncio
import contextlib
from collections.abc import Sequence

from redis.asyncio import Redis
from redis.exceptions import RedisError

from .checkpoint import Checkpoint
from .ledger import LogEvent
from .queue import CallQueue, LogLostError, SupersededError
from .survey import is_emptied, newest_in

_LOOK_AGAIN = 1.0
"""Seconds between two looks."""


async def see_off(
    redis: Redis,
    queue: CallQueue,
    known: Sequence[LogEvent],
    checkpoint: Checkpoint,
    seconds: float,
) -> None:
    """
    Wait until all of the call's log is stored, at most so long; then let the log go.

    The recorder may be away while the call ends.  A Redis that loses the log meanwhile is told it once more, from
    `known`.
    """
    with contextlib.suppress(TimeoutError, SupersededError):
        async with asyncio.timeout(seconds):
            await _until_stored(redis, queue, known, checkpoint)
    with contextlib.suppress(RedisError, OSError):  # whoever finds it later will do it
        await queue.retire()


async def _until_stored(
    redis: Redis, queue: CallQueue, known: Sequence[LogEvent], checkpoint: Checkpoint
) -> None:
    """The recorder takes from the outbox what it has stored: what lay there at the end must be gone."""
    outbox, mark = queue.keys.partition.outbox, ""
    while True:
        try:
            await queue.beat(checkpoint)
            mark = mark or await newest_in(redis, outbox)
            if await is_emptied(redis, outbox, mark):
                return
        except LogLostError:
            mark = ""
            with contextlib.suppress(RedisError, OSError):
                await queue.restore(known, checkpoint)
                continue
        except (RedisError, OSError):
            pass
        await asyncio.sleep(_LOOK_AGAIN)
