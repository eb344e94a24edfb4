"""
A gateway whose event loop is blocked while a file exists, by one slow step of its voice activity detection.

    python tests/support/held_up_gateway.py FILE

It creates `FILE.held` when the loop is blocked.
"""

import asyncio
import sys
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parents[1]))

from support.gateways import NO_REDACTION
from support.measured import run_measured

from broker.connections.blocking_connection import connect_blocking
from broker.connections.connection import connect
from protocol.settings import RedisSettings
from runtime.process import say_ready
from streaming.audio.voice_activity.silero import Silero, VadQuery, VadResult, silero_weights
from streaming.audio.voice_activity.vad_choice import Vad
from streaming.server import Gateway
from streaming.settings import GatewaySettings


class SlowJudge:
    """Silero, blocked while a file exists."""

    def __init__(self, silero: Silero, file: Path) -> None:
        self._silero = silero
        self._file = file

    def predict(self, questions: Sequence[VadQuery]) -> list[VadResult]:
        """Return the results of Silero when the file has been deleted."""
        while self._file.exists():
            self._file.with_suffix(".held").touch()
            time.sleep(0.05)
        return self._silero.predict(questions)


async def serve(redis_url: str, file: Path) -> None:
    """Run the gateway until killed."""
    weights = silero_weights()
    assert weights is not None
    shared = RedisSettings(url=redis_url)
    gateway = Gateway(
        connect(shared),
        1,
        GatewaySettings(port=0, vad=Vad.BOTH, lost_seconds=6, redaction_policy=NO_REDACTION),
        SlowJudge(Silero(weights), file),
        connect=lambda: connect_blocking(shared),
    )
    await run_measured(gateway, lambda port: say_ready(str(port)))


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[2], Path(sys.argv[1])))
