"""Runs what blocks (the database) in a bounded number of threads."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from ..store import RefusedError, Store, StoreUnavailableError
from .messages.errors import ApiError

_Result = TypeVar("_Result")

_BUSY = ApiError(503, "busy", "too many requests wait for the database; try again")
_UNAVAILABLE = ApiError(503, "store_unavailable", "the database does not answer; try again")


class StoreThreads:
    """The store, used from threads."""

    def __init__(self, store: Store, threads: int, waiting: int) -> None:
        """At most `threads` requests use the database at a time, and at most `waiting` wait for it."""
        self._store = store
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="store")
        self._most = threads + waiting
        self._inside = 0

    async def run(self, work: Callable[[Store], _Result]) -> _Result:
        """Return the result of `work`.  Raises ApiError if there is no room or the database does not answer."""
        if self._inside >= self._most:
            raise _BUSY
        self._inside += 1
        loop = asyncio.get_running_loop()
        working = loop.run_in_executor(self._pool, work, self._store)
        working.add_done_callback(self._leave)
        try:
            return await working
        except StoreUnavailableError as exc:
            raise _UNAVAILABLE from exc
        except RefusedError as exc:
            raise ApiError(400, "refused", "the database cannot hold these values") from exc

    def _leave(self, _: object) -> None:
        self._inside -= 1

    def close(self) -> None:
        """Wait for what is in progress."""
        self._pool.shutdown()
