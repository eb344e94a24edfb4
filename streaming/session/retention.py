"""What is still to be done in Redis for a call that is over."""

import contextlib

from redis.exceptions import RedisError

from ..call_store import LogLostError, SupersededError
from .unstored import EndedCall


async def retire(call: EndedCall) -> None:
    """Let the log go after a while; the outbox has what is not stored yet."""
    with contextlib.suppress(RedisError, OSError):  # whoever finds it later will do it
        await call.queue.retire()


async def resend_log(call: EndedCall) -> None:
    """
    Tell a Redis that has lost the log, or the outbox, what was in it.

    Readers get the log back, unless another call has begun under the same id.  RedisError when there is no Redis.
    """
    with contextlib.suppress(LogLostError, SupersededError):
        await call.queue.restore(call.known, call.checkpoint)
    await call.queue.resend(call.known)
    await retire(call)
