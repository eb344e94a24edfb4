"""
Word error rate of human speech that is streamed through the whole pipeline.

Uses the folder of recordings next to the project (`../shared/audio`, or --audio): a hundred telephone prompts with
their texts, some read speech, and a real call of two parties without a text.  The engine also transcribes the same
prompts directly, each as a whole: cutting a call into segments may raise the error rate by at most one point.
"""

import argparse
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import soxr
import structlog
from rich.console import Console
from rich.progress import track

sys.path.insert(0, str(Path(__file__).parent.parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from support.pipeline import Event, Listener, calling, pipeline, stream

from bench.recipe import recipe
from bench.shared_audio import add_audio_option
from broker.connections.connection import connect
from cli.common import engine_loaded
from cli.recording import read_recording
from protocol.audio import Encoding, Pcm, encode
from protocol.settings import RedisSettings
from runtime.local_stack import embedded_valkey
from runtime.process import run_loop
from transcripts.wer import WordErrors, word_errors
from workers.engines import registry
from workers.engines.base import Engine, Utterance

_SILENCE = np.zeros(9_600, dtype=np.int16)
_MOST = 12.0
"""Longest clip in seconds that the engine transcribes as a whole; longer ones are not compared."""

_LONG_MS = 2_000
"""A longer segment, pre-roll and after-roll included, must have had a partial."""


@dataclass(frozen=True, slots=True)
class Clip:
    """A recording at 8 kHz with its text."""

    name: str
    pcm: Pcm
    text: str

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return len(self.pcm) / 8_000


async def through_the_pipeline(
    engine: Engine, channels: Sequence[Pcm], pace: float, *, partials: bool
) -> Listener:
    """Stream one call at `pace` times real time.  Returns the events of the call."""
    with tempfile.TemporaryDirectory() as folder:
        async with embedded_valkey() as url:
            redis = connect(RedisSettings(url=url))
            async with (
                pipeline(redis, Path(folder), engine) as it,
                calling(it.url, channels=len(channels), partials=partials) as (bridge, heard),
            ):
                together = np.stack(channels, axis=1).reshape(-1)
                frame = 160 * len(channels)
                await stream(bridge, encode(together, Encoding.MULAW), frame=frame, pace=pace)
                await bridge.send('{"type":"stop"}')
                await heard.until("call.ended")
            await redis.aclose()
    return heard


def errors_alone(engine: Engine, clip: Clip) -> WordErrors:
    """Word errors of a clip that the engine transcribes directly, as a whole."""
    wide = soxr.resample(clip.pcm.astype(np.float32) / 32_768, 8_000, 16_000, quality="HQ")
    return word_errors(clip.text, engine.transcribe([Utterance(wide.astype(np.float32))])[0].text)


def errors_cut(clips: Sequence[Clip], heard: Listener) -> WordErrors:
    """Word errors of the clips streamed as one call: a final belongs to the clip that contains its middle."""
    texts: list[list[str]] = [[] for _ in clips]
    ends = np.cumsum([len(clip.pcm) + len(_SILENCE) for clip in clips]) // 8
    for final in heard.of("segment.final"):
        middle = (final["start_ms"] + final["end_ms"]) // 2
        texts[int(np.searchsorted(ends, middle))].append(final["text"])
    parts = (
        word_errors(clip.text, " ".join(text)) for clip, text in zip(clips, texts, strict=True)
    )
    return sum(parts, WordErrors())


async def prompts(engine: Engine, clips: Sequence[Clip], pace: float) -> bool:
    """
    Compare the prompts as one call with the engine alone.

    Returns whether the error rate is within the limit.
    """
    audio = np.concatenate([part for clip in clips for part in (clip.pcm, _SILENCE)])
    heard = await through_the_pipeline(engine, [audio], pace, partials=False)
    cut = errors_cut(clips, heard)
    whole = [clip for clip in clips if clip.seconds <= _MOST]
    alone = sum((errors_alone(engine, clip) for clip in track(whole, "engine alone")), WordErrors())
    print(f"  pipeline          {100 * cut.rate:5.2f} %  {cut}")
    print(f"  engine alone      {100 * alone.rate:5.2f} %  {alone}")
    return cut.rate <= alone.rate + 0.01


async def real_call(engine: Engine, path: Path, pace: float) -> bool:
    """Stream a real call and check order, accounts and partials, because there is no text to compare with."""
    channels = read_recording(path).channels
    heard = await through_the_pipeline(engine, channels, pace, partials=True)
    finals, ended = heard.of("segment.final"), heard.of("call.ended")[0]
    long = [final for final in finals if final["end_ms"] - final["start_ms"] > _LONG_MS]
    early = sum(_was_early(heard, final) for final in long)
    facts = {
        "turns in order on each channel": _in_order(finals),
        "every segment ends once": len(finals) + len(heard.of("segment.failed"))
        == ended["segments"]
        and max(Counter(final["segment_id"] for final in finals).values()) == 1,
        "every millisecond accounted for": all(
            abs(sum(totals.values()) - ended["duration_ms"]) <= len(totals)
            for totals in ended["channels"]
        ),
        f"partials while the speaker talks ({early} of {len(long)} segments over 2 s)": early
        >= 0.9 * len(long),
    }
    words = Counter(final["role"] for final in finals for _ in final["text"].split())
    print(f"  {len(finals)} segments, words {dict(words)}")
    for fact, holds in facts.items():
        print(f"  {'yes' if holds else 'NO '} {fact}")
    return all(facts.values())


def _in_order(finals: Sequence[Event]) -> bool:
    return all(
        one["end_ms"] <= other["start_ms"]
        for channel in (0, 1)
        for one, other in pairwise(final for final in finals if final["channel"] == channel)
    )


def _was_early(heard: Listener, final: Event) -> bool:
    """Whether a partial of the segment came before the segment ended."""
    return any(
        event["segment_id"] == final["segment_id"] and event["end_ms"] < final["end_ms"]
        for event in heard.of("segment.partial")
    )


def read_clips(folder: Path, prefix: str) -> list[Clip]:
    """The English recordings with a text whose path begins with `prefix`."""
    lines: list[dict[str, Any]] = [
        json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()
    ]
    return [
        Clip(line["file"], read_recording(folder / line["file"]).channels[0], line["text"])
        for line in lines
        if line["file"].startswith(prefix) and line["text"] and line["language"] == "en"
    ]


async def measure(options: argparse.Namespace) -> bool:
    """Run all selected measurements.  Returns whether they passed."""
    engine = engine_loaded(argparse.Namespace(config=None), options.engine)
    print(recipe())
    print(f"engine {engine.capabilities.name}, pace {options.pace}")
    good = True
    if "prompts" in options.only:
        print("\nA hundred telephone prompts, one voice, as one call")
        good &= await prompts(engine, read_clips(options.audio, "prompts/"), options.pace)
    if "read" in options.only:
        print("\nRead speech, brought down to the telephone")
        await prompts(engine, read_clips(options.audio, "read/"), options.pace)
    for path in sorted((options.audio / "calls").glob("*.wav")) if "calls" in options.only else ():
        print(f"\nA real call of two parties: {path.name}")
        good &= await real_call(engine, path, options.call_pace)
    return good


def main() -> int:
    """Run and print.  Returns 0 if all measurements passed, or if there are no recordings."""
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    parser = argparse.ArgumentParser(description=__doc__)
    add_audio_option(parser)
    parser.add_argument("--engine", default=registry.DEFAULT)
    parser.add_argument("--only", nargs="+", default=["prompts", "read", "calls"])
    parser.add_argument(
        "--pace", type=float, default=8.0, help="times real time, for the recordings"
    )
    parser.add_argument("--call-pace", type=float, default=1.0, help="the same for the real call")
    options = parser.parse_args()
    if not (options.audio / "manifest.jsonl").is_file():
        Console().print(
            f"[yellow]There is no {options.audio}: nothing was streamed, nothing measured.[/]"
        )
        return 0
    return 0 if run_loop(measure(options)) else 1


if __name__ == "__main__":
    sys.exit(main())
