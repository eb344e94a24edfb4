"""The parent of one part: starts it again when it dies, kills it when it hangs, ends when it is told to."""

from collections.abc import Callable
from functools import partial

from .child_process import ChildProcess, live_as_part
from .restart import RestartingProcess

CRASHES = 5
"""A part that dies so often within a minute will not get well by itself."""


async def supervise(
    part: ChildProcess, stop_seconds: float, say_ready: Callable[[str], None]
) -> None:
    """
    Keep `part` until cancelled; then it is told to stop, and killed if it has not within `stop_seconds`.

    What it says when it is ready is passed on.  StackError when it never gets ready, or dies again and again.
    """
    kept = RestartingProcess(part.name, partial(live_as_part, part, None, stop_seconds), CRASHES)
    try:
        say_ready(await kept.start(None))
        await kept.until_given_up()
    finally:
        await kept.stop()
