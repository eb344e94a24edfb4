"""How many workers `up` starts, and how many threads each of them has."""

import argparse
from dataclasses import dataclass

from workers.engines import registry
from workers.settings import WorkerSettings

from ..common import configuration_of, engine_chosen
from ..host.processor import available_cores

_MOST_CORES = 8
"""On a machine with more cores, set `--workers`."""

_MOST_THREADS = 4
"""Threads of a worker share the interpreter, of which each needs a part of its time (docs/benchmarks.md)."""


@dataclass(frozen=True, slots=True)
class WorkerCount:
    """A number of worker processes.  `threads`: of each; None: as the settings say."""

    workers: int
    threads: int | None = None


def workers_of(options: argparse.Namespace) -> WorkerCount:
    """
    The number of workers that `--workers` gives, or the default.

    The default is one for `demo`, which plays one call, and where the workers have a port for metrics, which two
    processes cannot share.
    """
    if options.workers is not None:
        return WorkerCount(int(options.workers))
    configuration = configuration_of(options)
    if options.command == "demo" or configuration.says("worker", "threads"):
        return WorkerCount(1)
    engine = registry.ENGINES[engine_chosen(options).engine]
    count = worker_count(available_cores(), one_core=engine.one_core)
    shared = configuration.section("worker", WorkerSettings).metrics_port == 0
    return count if shared else WorkerCount(1, count.threads)


def worker_count(cores: int, *, one_core: bool) -> WorkerCount:
    """
    The number of workers, and of threads of each, on a machine with `cores`.

    `one_core`: whether a thread of the engine uses one core.  On more than two cores the gateway keeps one.
    """
    if not one_core:
        return WorkerCount(1)
    used = min(_MOST_CORES, cores - 1 if cores > 2 else cores)
    workers = -(-used // _MOST_THREADS)
    return WorkerCount(workers, -(-used // workers))
