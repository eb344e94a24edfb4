"""Runs `trunkline gateway` as several processes on the same ports, behind one parent."""

import argparse
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext

import structlog

from broker.process_group.place import GroupPlace
from broker.process_group.reserved_ports import reserved_port
from runtime.child_process import ChildProcess
from runtime.group_status import GroupStatus
from runtime.process import log_as_json, on_every_stop, run_loop, say_ready
from runtime.process_group import ProcessGroup
from runtime.status import answering, answering_locally
from streaming.settings import GatewaySettings

from ..common import flags_of

_LEAVE_SECONDS = 20.0
"""Seconds that a gateway may take to leave its calls and to end, in addition to the times in its settings."""

logger = structlog.get_logger()


def run_group(options: argparse.Namespace, settings: GatewaySettings) -> int:
    """Run the processes until told to stop.  Returns the exit status: that of the worst of them."""
    log_as_json("gateway-parent")
    with _reserved(settings) as ports, tempfile.TemporaryDirectory(prefix="trunkline-") as folder:
        places = [
            GroupPlace(number, settings.processes, folder, ports)
            for number in range(settings.processes)
        ]
        members = [_member(options, settings, one) for one in places]
        return run_loop(_run(settings, members, places))


async def _run(
    settings: GatewaySettings, members: list[ChildProcess], places: list[GroupPlace]
) -> int:
    patience = settings.drain_seconds + settings.hold_seconds + settings.store_wait_seconds
    group = ProcessGroup(members, patience + _LEAVE_SECONDS)
    status = GroupStatus([one.status_socket for one in places])

    def stop(number: int) -> None:
        status.is_draining = True
        group.stop(number)

    def ready(port: str) -> None:
        logger.info("listening", host=settings.host, port=int(port), entries=len(members))
        say_ready(port)

    on_every_stop(stop)
    port = settings.metrics_port
    async with (
        answering_locally(places[0].group_socket, status.answer),
        answering(settings.metrics_host, port, status.answer) if port else nullcontext(),
    ):
        ended = await group.run(ready)
    logger.info("stopped", status=ended)
    return ended


@contextmanager
def _reserved(settings: GatewaySettings) -> Iterator[Mapping[str, int]]:
    """Reserve the ports of the settings; yields them by the name of their setting."""
    wanted = (
        (settings.host, "port"),
        (settings.host, "http_port"),
        (settings.audiosocket_host, "audiosocket_port"),
    )
    with ExitStack() as opened:
        yield {
            name: opened.enter_context(reserved_port(host, port, name))
            for host, name in wanted
            if (port := getattr(settings, name)) is not None
        }


def _member(
    options: argparse.Namespace, settings: GatewaySettings, place: GroupPlace
) -> ChildProcess:
    said = {"TRUNKLINE_CONFIG": options.config} if options.config else {}
    return ChildProcess(
        "gateway",
        flags_of(options, "gateway"),
        {**place.environment, **said},
        silence=settings.lost_seconds,
    )
