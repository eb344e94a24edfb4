"""What is told to stop stops, at whatever moment it is told."""

import asyncio
from collections.abc import Coroutine
from typing import Any


async def assert_cancelled(work: Coroutine[Any, Any, None], turns: int) -> None:
    """That `work`, which never ends by itself, ends when it is cancelled `turns` of the event loop after its beginning."""
    task = asyncio.ensure_future(work)
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    done, _ = await asyncio.wait({task}, timeout=10)

    assert done == {task}
    assert task.cancelled()
