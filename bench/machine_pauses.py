"""
Prints how often this machine takes its core away from a program without telling it.

`python bench/machine_pauses.py --seconds 12`: pieces of equal work, by the CPU time that the kernel
counts for each.  On a virtual machine whose host is busy, single pieces take many times as long although no other
program runs.  So long turns of an event loop need not be the fault of the program: compare them with these.
"""

import argparse
import time
from itertools import pairwise

_LIMITS_MS = (1.5, 2.0, 3.0, 5.0, 10.0, float("inf"))
_WORK = 12_000
"""Steps of a piece: about a millisecond."""


def piece_ms() -> float:
    """Do one piece of work.  Returns its CPU time."""
    began = time.thread_time()
    total = 0
    for number in range(_WORK):
        total += number & 3
    return 1_000 * (time.thread_time() - began)


def main() -> None:
    """Print how many pieces took how many times the median."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=12.0)
    until = time.monotonic() + parser.parse_args().seconds
    taken = []
    while time.monotonic() < until:
        taken.append(piece_ms())
    median = sorted(taken)[len(taken) // 2]
    print(f"{len(taken)} pieces of {median:.2f} ms (median), longest {max(taken):.1f} ms")
    for low, high in pairwise(_LIMITS_MS):
        count = sum(low <= one - median < high for one in taken)
        print(f"{low:g} to {high:g} ms more: {count}")


if __name__ == "__main__":
    main()
