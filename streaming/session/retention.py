"""Clean-up and repair in Redis for ended calls."""

import contextlib

from redis.exceptions import RedisError

from ..call_store import LogLostError, SupersededError
from .unstored import EndedCall


async def retire(call: EndedCall) -> None:
    """Let the event log expire after the configured time; the outbox keeps events that are not stored yet."""
    with contextlib.suppress(RedisError, OSError):  # a gateway that finds the call later retires it
        await call.queue.retire()


async def resend_log(call: EndedCall) -> None:
    """
    Write the events of an ended call again to a Redis that has lost its event log or the outbox.

    The log is restored unless another call uses the same id now.  Raises RedisError if Redis does not answer.
    """
    known = call.known
    with contextlib.suppress(LogLostError, SupersededError):
        await call.queue.restore(known, call.checkpoint)
    await call.queue.resend(known)
    await retire(call)
