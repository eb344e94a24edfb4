"""
One page about accuracy: word errors by kind of speech, engine alone beside the whole pipeline.

    python bench/accuracy_page.py [--engine moonshine] [--page accuracy.html]
    python bench/accuracy_page.py --own FOLDER          # recordings of your own: NAME.wav beside NAME.txt

Writes an HTML file that needs no other file: a table with 95 % confidence intervals and digit errors, and for each
recording a player and the differences to its text.  The pipeline is a gateway, Redis and a worker; each set is
streamed as one call.  A recording longer than the engine's limit is cut at quiet places for the engine alone.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import structlog

sys.path.insert(0, str(Path(__file__).parent.parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from bench.accuracy import Clip, read_clips, through_the_pipeline
from bench.accuracy_html import Row, Shown, page, told
from bench.accuracy_statistics import difference, digit_errors_of, errors_of, interval
from bench.recipe import recipe
from bench.shared_audio import add_audio_option
from bench.wer import pieces
from bench.word_times import samples_of
from cli.common import engine_loaded
from cli.recording import read_recording
from runtime.process import run_loop
from workers.engines import registry
from workers.engines.base import Engine, Utterance

KINDS = {
    "telephone prompts": "prompts/",
    "read speech": "read/",
    "technical talk": "languages/",
}
_GAP = np.zeros(9_600, dtype=np.int16)
_RATE = 16_000
_SHOWN = 40
"""Recordings of a set with a player, those with the most errors first: more make the page slow."""


def own_clips(folder: Path) -> list[Clip]:
    """The recordings of a folder that have a text: `NAME.wav` beside `NAME.txt`; several channels are mixed."""
    found = []
    for path in sorted(folder.glob("*.wav")):
        text = path.with_suffix(".txt")
        if text.is_file():
            channels = np.stack(read_recording(path).channels).astype(np.float32)
            pcm = np.rint(channels.mean(axis=0)).astype(np.int16)
            found.append(Clip(path.name, pcm, text.read_text("utf-8").strip()))
    return found


def alone(engine: Engine, clip: Clip) -> str:
    """The text that the engine writes, without the pipeline."""
    longest = int(engine.capabilities.max_seconds * _RATE)
    parts = pieces(samples_of(clip), longest)
    return " ".join(engine.transcribe([Utterance(part)])[0].text for part in parts)


async def cut(engine: Engine, clips: Sequence[Clip], pace: float) -> list[str]:
    """The text of each clip, streamed as one call: a final belongs to the clip that contains its middle."""
    audio = np.concatenate([part for clip in clips for part in (clip.pcm, _GAP)])
    heard = await through_the_pipeline(engine, [audio], pace, partials=False)
    ends = np.cumsum([len(clip.pcm) + len(_GAP) for clip in clips]) // 8
    texts: list[list[str]] = [[] for _ in clips]
    for final in heard.of("segment.final"):
        middle = (final["start_ms"] + final["end_ms"]) // 2
        texts[min(int(np.searchsorted(ends, middle)), len(clips) - 1)].append(final["text"])
    return [" ".join(text) for text in texts]


async def measured(
    engine: Engine, name: str, clips: Sequence[Clip], pace: float, language: str
) -> tuple[Row, list[Shown]]:
    """The row of one set, and its recordings, those with the most errors first."""
    whole = [alone(engine, clip) for clip in clips]
    piped = await cut(engine, clips, pace)
    found = [
        [errors_of(clip.text, text, language) for clip, text in zip(clips, texts, strict=True)]
        for texts in (whole, piped)
    ]
    digits = [digit_errors_of(clip.text, text) for clip, text in zip(clips, piped, strict=True)]
    row = Row(
        name,
        len(clips),
        sum(one.words for one in found[0]),
        interval(found[0]),
        interval(found[1]),
        interval(digits) if any(one.words for one in digits) else None,
    )
    shown = [
        Shown(
            clip.name,
            clip.pcm,
            wrong.substituted + wrong.deleted + wrong.inserted,
            difference(clip.text, one, language),
            difference(clip.text, other, language),
        )
        for clip, one, other, wrong in zip(clips, whole, piped, found[1], strict=True)
    ]
    return row, sorted(shown, key=lambda one: -one.wrong)[:_SHOWN]


def sets(options: argparse.Namespace) -> Iterator[tuple[str, list[Clip]]]:
    """The sets that are there."""
    if options.own:
        yield options.own.name, own_clips(options.own)
    elif (options.audio / "manifest.jsonl").is_file():
        for name, prefix in KINDS.items():
            yield name, read_clips(options.audio, prefix)[: options.most]


async def measure(options: argparse.Namespace) -> int:
    """Measure all sets and write the page.  Returns 1 if there is nothing to measure."""
    engine = engine_loaded(argparse.Namespace(config=None), options.engine)
    head = f"{recipe()}; engine {engine.capabilities.name}"
    print(head)
    results = [
        await measured(engine, name, clips, options.pace, options.language)
        for name, clips in sets(options)
        if clips
    ]
    if not results:
        print("there are no recordings with a text: nothing was measured")
        return 1
    for row, _ in results:
        digits = f", digits {told(row.digits)}" if row.digits else ""
        print(f"{row.name}: alone {told(row.alone)}, pipeline {told(row.pipeline)}{digits}")
    tables = [path.read_text("utf-8") for path in options.tables]
    rows = [row for row, _ in results]
    options.page.write_text(
        page(head, rows, tables, [(row.name, shown) for row, shown in results]), "utf-8"
    )
    print(f"written: {options.page}")
    return 0


def main() -> int:
    """Run."""
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", default=registry.DEFAULT)
    add_audio_option(parser)
    parser.add_argument("--own", type=Path, help="folder with NAME.wav beside NAME.txt")
    parser.add_argument("--language", default="en", help="of the recordings in --own")
    parser.add_argument("--pace", type=float, default=8.0, help="times real time")
    parser.add_argument("--most", type=int, default=1_000, help="recordings of a set")
    parser.add_argument("--page", type=Path, default=Path("accuracy.html"))
    parser.add_argument(
        "--tables", type=Path, nargs="*", default=[], help="text files to show, e.g. of keywords.py"
    )
    return run_loop(measure(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
