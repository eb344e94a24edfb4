"""The flags of `trunkline bench`."""

import argparse

from .load_generator.traffic import TRAFFIC


def fill(verb: argparse.ArgumentParser) -> None:
    """Add the flags."""
    verb.add_argument(
        "--calls",
        type=_count,
        nargs="+",
        default=[10],
        metavar="N",
        help="numbers of calls to play",
    )
    verb.add_argument(
        "--dialect", nargs="+", choices=sorted(TRAFFIC), default=["native"], help="default: native"
    )
    verb.add_argument(
        "--find-capacity",
        action="store_true",
        help="find the largest number of calls that meets --slo, beginning with the first of --calls",
    )
    verb.add_argument(
        "--slo",
        help="objective: 'p99 lag < 20 ms' (default), 'p95 final < 1.5 s' (default with --engine); also `added`"
        " (finals without engine and hang-over) and `partial`",
    )
    verb.add_argument("--most-calls", type=_count, default=1_000, help="end of the search")
    verb.add_argument(
        "--engine", help="run workers with this engine; default: one that takes no time"
    )
    verb.add_argument("--workers", type=_count, default=1, help="number of worker processes")
    verb.add_argument(
        "--threads",
        type=_count,
        default=1,
        help="threads of each worker with --engine; an older --tree gets as many times more workers",
    )
    verb.add_argument(
        "--processes",
        type=_count,
        nargs="+",
        default=[1],
        metavar="N",
        help="numbers of gateway processes, one row each; more than one share all cores with the generators",
    )
    verb.add_argument(
        "--overload",
        action="store_true",
        help="offer --calls to a gateway with its limits for new calls, and show that accepted calls lose nothing",
    )
    verb.add_argument("--url", help="gateway that runs already; its CPU time is not measured")
    verb.add_argument("--key", default="", help="key for that gateway")
    verb.add_argument(
        "--tree",
        action="append",
        default=[],
        metavar="NAME=FOLDER",
        help="also measure gateway and workers of another checkout, may be repeated: before and after in one run",
    )
    verb.add_argument("--audio", help="audio file to play; default: the demo call")
    verb.add_argument(
        "--silence", action="store_true", help="also measure digital silence on both channels"
    )
    verb.add_argument("--no-sink", action="store_true", help="leave out the servers that only read")
    verb.add_argument(
        "--warm-up", type=float, default=12.0, help="seconds that are played and not measured"
    )
    verb.add_argument("--seconds", type=float, default=15.0, help="seconds that are measured")
    verb.add_argument("--json", metavar="FILE", help="write all figures as JSON")
    verb.add_argument("--plot", metavar="FILE", help="draw lag and cost over calls into a PNG file")


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return count
