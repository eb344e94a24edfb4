"""Supervise one part: restart it when it dies, kill it when it hangs."""

from collections.abc import Callable
from functools import partial

from .child_process import ChildProcess, live_as_part
from .restart import RestartingProcess

CRASHES = 5
"""Crashes within a minute after which the part is not restarted."""


async def supervise(
    part: ChildProcess, stop_seconds: float, say_ready: Callable[[str], None]
) -> None:
    """
    Run `part` until cancelled.  Then stop it, and kill it if it has not ended after `stop_seconds`.

    Passes its ready line to `say_ready`.  Raises StackError if it never becomes ready or crashes repeatedly.
    """
    kept = RestartingProcess(part.name, partial(live_as_part, part, None, stop_seconds), CRASHES)
    try:
        say_ready(await kept.start(None))
        await kept.until_given_up()
    finally:
        await kept.stop()
