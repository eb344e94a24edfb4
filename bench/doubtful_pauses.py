"""
How often and how long finals wait for more speech, and what that does to their words.

The demo call, the real call in `../shared/audio` (or --audio), and lines of five unrelated telephone prompts with
0.6 s between them, which waiting must not harm.  Each channel is cut with a worker that is never late.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from bench.accuracy import read_clips
from bench.drafted_channel import DraftedChannel
from bench.partials import Channel, sets
from bench.shared_audio import add_audio_option, silero_and_engine
from streaming.audio.endpointing_settings import Endpointing
from streaming.audio.vad_runner import VadModel
from streaming.settings import GatewaySettings
from transcripts.wer import WordErrors, word_errors
from workers.engines.base import Engine

_BETWEEN = np.zeros(4_800, dtype=np.int16)
_PROMPTS, _LINES = 5, 12


def lines(audio: Path) -> list[Channel]:
    """Prompts as lines, each with silence behind every prompt."""
    clips = read_clips(audio, "prompts/")[: _LINES * _PROMPTS]
    groups = [clips[start : start + _PROMPTS] for start in range(0, len(clips), _PROMPTS)]
    return [
        Channel(
            np.concatenate([part for clip in group for part in (clip.pcm, _BETWEEN)]),
            " ".join(clip.text for clip in group),
        )
        for group in groups
    ]


def channels(audio: Path) -> Iterator[tuple[str, list[Channel]]]:
    """The sets of channels."""
    for name, found in sets(audio):
        if name not in ("prompts", "read speech"):
            yield name, found
    yield "prompts in lines", lines(audio)


def row(
    engine: Engine, silero: VadModel, found: list[Channel], settings: Endpointing, most: int
) -> str:
    """A row of the table; `most`: samples of each channel."""
    errors, began = WordErrors(), time.process_time()
    played = list[DraftedChannel]()
    for channel in found:
        played.append(DraftedChannel(engine, settings, silero))
        pieces = played[-1].play(channel.pcm[:most])
        if channel.text and len(channel.pcm) <= most:
            errors += word_errors(channel.text, " ".join(piece.text for piece in pieces))
    spent = time.process_time() - began
    pieces = [piece for one in played for piece in one.pieces]
    late = np.array([piece.late for piece in pieces if piece.late]) / 8
    usual = settings.hangover_ms - settings.kept_ms
    waited = np.array(
        [piece.late / 8 for piece in pieces if piece.waited and piece.late / 8 > usual]
    )
    rate = f"{100 * errors.rate:.2f} %" if errors.reference else ""
    return (
        f"{len(pieces)} | {sum(one.drafts for one in played)} | {sum(one.waits for one in played)}"
        f" | {len(waited)} | {waited.mean() - usual if len(waited) else 0:.0f} ms"
        f" | {late.mean():.0f} ms | {rate} | {spent:.1f} s"
    )


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_audio_option(parser)
    parser.add_argument("--engine", default="moonshine")
    parser.add_argument("--only", nargs="+", help="names of sets")
    parser.add_argument("--doubtful-ms", type=int, nargs="+", default=[0, 1_200])
    parser.add_argument("--most", type=int, default=100, help="seconds of each channel")
    options = parser.parse_args()
    loaded = silero_and_engine(options)
    if loaded is None:
        return 0
    silero, engine = loaded
    print(
        "| set | hang-over of doubtful drafts | segments | drafts | waits | finals later | by (mean)"
    )
    print("  | last audio of a segment to its close (mean) | word errors | CPU time |")
    for name, found in channels(options.audio):
        for ms in options.doubtful_ms if not options.only or name in options.only else ():
            settings = GatewaySettings(doubtful_hangover_ms=ms).endpointing
            text = row(engine, silero, found, settings, 8_000 * options.most)
            print(f"| {name} | {ms} ms | {text} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
