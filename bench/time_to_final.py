"""
Time from the last word to its final, with and without drafts, side by side in one run.

    python bench/time_to_final.py [--settings 500/0 500/200 300/0 300/160] [--engine-ms 80]

Each setting is hang-over/draft_after_ms and gets a pipeline of its own (gateway, Valkey, worker).  All play the
same prompts at real-time pace at the same time, so that they meet the same load.  The engine waits for --engine-ms
and needs no CPU: the figure is that of a worker which is fast enough, not of this machine.  `last word`: the end of
the last tick with voice of the segment.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from pathlib import Path

import numpy as np
import structlog
from prometheus_client import CollectorRegistry

sys.path.insert(0, str(Path(__file__).parent.parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from support.pipeline import calling, pipeline, stream

from bench.accuracy import read_clips
from bench.recipe import recipe
from bench.shared_audio import add_audio_option
from broker.connections.connection import connect
from protocol.audio import Encoding, Pcm, encode
from protocol.settings import RedisSettings
from runtime.local_stack import embedded_valkey
from runtime.process import run_loop
from streaming.settings import GatewaySettings
from workers.engines.base import Capabilities, Hypothesis, RecognisedWord, Utterance

_STEPS = 8
_WORDS = Hypothesis((RecognisedWord("words"),))
_SILENCE = np.zeros(9_600, dtype=np.int16)


class SlowTeller:
    """An engine that takes a fixed time for each utterance, and no CPU time."""

    capabilities = Capabilities(name="slow-teller", languages=frozenset({"en"}))

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def transcribe(self, batch: Sequence[Utterance]) -> list[Hypothesis]:
        """Wait, then say that there were words."""
        time.sleep(self._seconds * len(batch))
        return [_WORDS for _ in batch]

    def steps(self, utterance: Utterance) -> Generator[None, None, Hypothesis]:
        """The same in steps, as the CPU engine: finals overtake drafts, and take them over."""
        for _ in range(_STEPS):
            time.sleep(self._seconds / _STEPS)
            yield
        return _WORDS


async def late_by(
    pcm: Pcm, hangover: int, draft: int, engine_seconds: float
) -> tuple[list[float], str]:
    """Milliseconds from the last word of each segment to its final, and what became of the drafts."""
    metrics = CollectorRegistry()
    settings = GatewaySettings(drain_seconds=0, hangover_ms=hangover, draft_after_ms=draft)
    after = settings.endpointing.kept_ms
    with tempfile.TemporaryDirectory() as folder:
        async with embedded_valkey() as url:
            redis = connect(RedisSettings(url=url))
            engine = SlowTeller(engine_seconds)
            late: list[float] = []
            async with (
                pipeline(redis, Path(folder), engine, gateway=settings, metrics=metrics) as it,
                calling(it.url, partials=False) as (bridge, heard),
            ):
                await heard.until("call.started")
                began = time.monotonic()
                playing = asyncio.ensure_future(
                    stream(bridge, encode(pcm, Encoding.MULAW), frame=160, pace=1)
                )
                while not playing.done():
                    try:
                        async with asyncio.timeout(2):
                            final = await heard.until("segment.final", len(late) + 1)
                    except TimeoutError:
                        continue
                    now = 1_000 * (time.monotonic() - began)
                    late.append(now - (final["end_ms"] - after))
                await playing
            await redis.aclose()
    outcomes = ("used", "late", "withdrawn")
    counts = (
        int(metrics.get_sample_value("trunkline_drafts_total", {"outcome": one}) or 0)
        for one in outcomes
    )
    return late, ", ".join(f"{count} {one}" for one, count in zip(outcomes, counts, strict=True))


async def measure(options: argparse.Namespace) -> None:
    """Play all settings at once, and print a row of each."""
    clips = read_clips(options.audio, "prompts/")
    pcm = np.concatenate([part for clip in clips for part in (clip.pcm, _SILENCE)])
    pcm = pcm[: 8_000 * options.seconds]
    settings = [tuple(map(int, one.split("/"))) for one in options.settings]
    found = await asyncio.gather(
        *(late_by(pcm, hangover, draft, options.engine_ms / 1_000) for hangover, draft in settings)
    )
    print(recipe())
    print("| hang-over / draft after | finals | last word to final, p50 | p95 | drafts |")
    print("|---|---|---|---|---|")
    for name, (late, drafts) in zip(options.settings, found, strict=True):
        p50, p95 = np.percentile(late, [50, 95])
        print(f"| {name} | {len(late)} | {p50:.0f} ms | {p95:.0f} ms | {drafts} |")


def main() -> None:
    """Read the options and measure."""
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    parser = argparse.ArgumentParser(description=__doc__)
    add_audio_option(parser)
    parser.add_argument(
        "--settings", nargs="+", default=["500/0", "500/200", "300/0", "300/160", "300/120"]
    )
    parser.add_argument("--engine-ms", type=float, default=80.0)
    parser.add_argument("--seconds", type=int, default=90)
    run_loop(measure(parser.parse_args()))


if __name__ == "__main__":
    main()
