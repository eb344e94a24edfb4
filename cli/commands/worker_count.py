"""How many workers `up` starts."""

import argparse

from workers.engines import registry
from workers.settings import WorkerSettings

from ..common import configuration_of, engine_chosen
from ..host.processor import available_cores

_MOST = 8
"""Each worker of the CPU engine holds 360 MB.  On a machine with more cores, set `--workers`."""


def workers_of(options: argparse.Namespace) -> int:
    """
    The number of workers that `--workers` gives, or the default.

    The default is one for `demo`, which plays one call, and where the workers have a port for metrics, which two
    processes cannot share.
    """
    if options.workers is not None:
        return int(options.workers)
    shared = configuration_of(options).section("worker", WorkerSettings).metrics_port == 0
    if options.command == "demo" or not shared:
        return 1
    engine = registry.ENGINES[engine_chosen(options).engine]
    return worker_count(available_cores(), one_core=engine.one_core)


def worker_count(cores: int, *, one_core: bool) -> int:
    """
    The number of workers on a machine with `cores`.

    `one_core`: whether a worker of the engine uses one core.  On more than two cores the gateway keeps one.
    """
    if not one_core:
        return 1
    return min(_MOST, cores - 1 if cores > 2 else cores)
