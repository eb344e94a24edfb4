"""Faults of a worker's memory and of its model file; for bench/chaos.py."""

import asyncio
import random
import resource
from pathlib import Path

from bench.rig import Rig, RigProcess

_REFUSED = '"CheckpointError"'
"""What a worker logs at its start about a file that is not complete."""

_TELLING = 300.0
"""Seconds within which a worker says so, also on a busy machine."""


async def take_memory(worker: RigProcess, dice: random.Random) -> None:
    """
    Let the allocations of a worker fail for up to three seconds.

    The limit of its address space is set a little above its present size, so that the heap has some room and
    larger allocations fail wherever the worker happens to be.
    """
    if worker.running is None or worker.running.returncode is not None:
        return
    pid = worker.running.pid
    try:
        _limit(pid, _address_space(pid) + dice.randrange(4 << 20))
        await asyncio.sleep(dice.uniform(0.5, 3.0))
        _limit(pid, resource.RLIM_INFINITY)
    except (OSError, ValueError):  # the worker has ended
        return


def _address_space(pid: int) -> int:
    """Its size in bytes (proc(5), statm)."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[0]) * resource.getpagesize()


def _limit(pid: int, soft: int) -> None:
    resource.prlimit(pid, resource.RLIMIT_AS, (soft, resource.RLIM_INFINITY))


async def break_model(it: Rig, dice: random.Random) -> None:
    """
    Cut the weights while workers use them, kill a worker that loads them, and repair the file after its complaint.

    A worker that has the file mapped may die at its next access.
    """
    assert it.model is not None
    worker = dice.choice([one for one in it.workers if "granite" in one.command])
    weights = it.model / "model.safetensors"
    sound, said = weights.read_bytes(), worker.log.read_text().count(_REFUSED)
    with weights.open("r+b") as file:
        file.truncate(dice.randrange(len(sound)))
    try:
        await worker.kill()  # and `keep_workers` restarts it
        async with asyncio.timeout(_TELLING):
            while worker.log.read_text().count(_REFUSED) == said:  # noqa: ASYNC110  # another process writes it
                await asyncio.sleep(0.2)
    finally:
        repaired = weights.with_suffix(".repaired")
        repaired.write_bytes(sound)
        repaired.replace(weights)
