"""Clips of one length, a fixed number of them at once: throughput and latency, as other engines publish them."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.recipe import percentile
from workers.engines.base import Samples, Utterance
from workers.engines.granite.engine import GraniteEngine


@dataclass(frozen=True, slots=True)
class ClosedLoop:
    """The result of one run: the wall time and the latency of each clip, in seconds."""

    wall: float
    waits: tuple[float, ...]


def run(
    engine: GraniteEngine, clips: Sequence[Samples], concurrent: int, count: int,
    clock: Callable[[], float] = time.perf_counter,
) -> ClosedLoop:  # fmt: skip
    """
    Transcribe `count` clips, `concurrent` at once: when one ends, the next one begins.

    `clips`: used in turn; `clock`: a monotonic time in seconds.
    """
    begun: dict[int, float] = {}
    waits: list[float] = []
    start = clock()
    while len(waits) < count:
        coming = min(concurrent - len(begun), count - len(waits) - len(begun))
        first = len(waits) + len(begun)
        utterances = [Utterance(clips[n % len(clips)]) for n in range(first, first + coming)]
        begun |= dict.fromkeys(engine.admit(utterances), clock())
        waits += [clock() - begun.pop(ticket) for ticket, _ in engine.step()]
    return ClosedLoop(clock() - start, tuple(waits))


def print_concurrency(
    engine: GraniteEngine, clips: Sequence[Samples], levels: Sequence[int], repeats: int
) -> None:
    """Print a table with one row for each of `levels`; each runs `repeats` rounds after one that is not counted."""
    seconds = len(clips[0]) / 16_000
    print(
        f"\nClips of {seconds:g} s without keywords, at once; a clip begins when another one ends\n"
    )
    print("| at once | RTFx | latency p50, ms | p95, ms |")
    print("|---|---|---|---|")
    for level in levels:
        run(engine, clips, level, level)
        done = run(engine, clips, level, level * max(2, repeats))
        p50, p95 = (1e3 * percentile(done.waits, share) for share in (0.50, 0.95))
        print(
            f"| {level} | {len(done.waits) * seconds / done.wall:.0f} | {p50:.0f} | {p95:.0f} |",
            flush=True,
        )
