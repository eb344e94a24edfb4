"""A gateway in the test's own process, with the measurement of the event loop that `trunkline gateway` has."""

import asyncio
from collections.abc import Callable

from prometheus_client import CollectorRegistry

from runtime.metrics import LoopMeter
from streaming.server import Gateway


async def run_measured(gateway: Gateway, listening: Callable[[int], None]) -> None:
    """Serve until cancelled.  `listening` is called with the port."""
    meter = LoopMeter(CollectorRegistry())
    meter.report_to(gateway.observe_loop)
    measuring = asyncio.create_task(meter.run())
    try:
        await gateway.run(listening)
    finally:
        measuring.cancel()
