"""Check that a task can be cancelled at any moment."""

import asyncio
from collections.abc import Coroutine
from typing import Any


async def assert_cancelled(work: Coroutine[Any, Any, None], turns: int) -> None:
    """Check that the endless `work` ends when it is cancelled `turns` turns of the event loop after its start."""
    task = asyncio.ensure_future(work)
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    done, _ = await asyncio.wait({task}, timeout=10)

    assert done == {task}
    assert task.cancelled()
