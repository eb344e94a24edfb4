"""
Recall and false insertions of keywords, with distractors in the list.

    python bench/keywords.py [--engine moonshine] [--distractors 0 20 100 1000] [--audio FOLDER]

Names are said in the turns of the demo call (`cli/demo`), which carries its keyword list, and in read speech of
`../shared/audio` (the names below).  Each recording is transcribed without a list, with the names, and with the
names and distractors: made-up names of one or two words that nobody says.  A name counts as found if the text of
the worker has it as listed; each part of a name counts.  A false insertion is a listed name, distractor or part of
one in a text whose reference does not contain it; their rate is for an hour of all audio, with the telephone
prompts, which contain no name.
"""

import argparse
import json
import random
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
import soxr

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.accuracy import read_clips
from bench.recipe import recipe
from bench.shared_audio import add_audio_option
from bench.wer import RATE, normalised, pieces, word_errors
from bench.word_times import samples_of
from cli.common import engine_loaded
from cli.recording import read_recording
from protocol.calls.keywords import name_parts
from workers.engines import registry
from workers.engines.base import Engine, Samples, Utterance
from workers.text.keyword_match import written_as_listed

READ_NAMES = ("John Dashwood", "Gutenberg", "Schoeffer", "Americans", "Caslon", "Aldus", "Jenson")
_ONSETS = (
    "b",
    "br",
    "d",
    "f",
    "gr",
    "h",
    "k",
    "l",
    "m",
    "n",
    "p",
    "r",
    "s",
    "st",
    "t",
    "v",
    "w",
    "z",
)
_VOWELS = ("a", "e", "i", "o", "u", "ei", "au", "oo")
_ENDS = ("", "l", "n", "r", "s", "nd", "rt", "ck", "m", "x")


@dataclass(frozen=True, slots=True)
class Said:
    """A recording with its text."""

    samples: Samples
    text: str


@dataclass(frozen=True, slots=True)
class Counted:
    """Counts over all recordings."""

    said: int
    found: int
    inserted: int
    hours: float
    word_error_rate: float
    missed: tuple[str, ...] = ()


def made_up(count: int, seed: int = 15) -> tuple[str, ...]:
    """Names of one or two words that can be pronounced and are no English words."""
    source = random.Random(seed)

    def word() -> str:
        parts = (
            source.choice(_ONSETS) + source.choice(_VOWELS) + source.choice(_ENDS) for _ in range(2)
        )
        return "".join(parts).capitalize()

    names: dict[str, None] = {}
    while len(names) < count:
        names[" ".join(word() for _ in range(source.choice((1, 2))))] = None
    return tuple(names)


def demo_turns() -> tuple[list[Said], tuple[str, ...]]:
    """The turns of the demo call, and its keywords."""
    folder = Path(str(resources.files("cli") / "demo"))
    script = json.loads((folder / "script.json").read_text("utf-8"))
    recording = read_recording(folder / "call.wav")
    rate = 8_000
    turns = []
    for turn in script["turns"]:
        first, last = (round(turn[key] * rate) for key in ("start", "end"))
        pcm = recording.channels[turn["channel"]][max(0, first - rate // 5) : last + rate // 5]
        wide = soxr.resample(pcm.astype(np.float32) / 32_768, rate, RATE, quality="HQ")
        turns.append(Said(np.asarray(wide, dtype=np.float32), turn["display"]))
    return turns, tuple(script["keywords"])


def heard(engine: Engine, said: Said, terms: tuple[str, ...]) -> str:
    """The text of a recording as a worker writes it."""
    longest = int(engine.capabilities.max_seconds * RATE)
    texts: list[str] = []
    for part in pieces(said.samples, longest):
        (found,) = engine.transcribe([Utterance(part, keywords=terms)])
        texts += written_as_listed(found.words, terms)
    return " ".join(texts)


def count(term: str, text: str) -> int:
    """How often `term` is in a text, as whole words spelled as listed."""
    return len(re.findall(rf"(?<!\w){re.escape(term)}(?!\w)", text))


def counted(
    engine: Engine, recordings: Sequence[Said], names: Sequence[str], terms: tuple[str, ...]
) -> Counted:
    """Transcribe all recordings with `terms`; count `names` in the text, and falsely inserted terms."""
    said = found = inserted = samples = 0
    pairs: list[tuple[str, str]] = []
    missed: list[str] = []
    alone = dict.fromkeys(part for name in names for part in (name_parts(name) or (name,)))
    listed = dict.fromkeys(part for term in terms for part in (name_parts(term) or (term,)))
    for one in recordings:
        text = heard(engine, one, terms)
        for name in alone:
            true, claimed = count(name, one.text), count(name, text)
            said, found = said + true, found + min(true, claimed)
            missed += [name] * max(0, true - claimed)
        inserted += sum(max(0, count(term, text) - count(term, one.text)) for term in listed)
        samples += len(one.samples)
        pairs.append((normalised(one.text, "en"), normalised(text, "en")))
    rate = word_errors(pairs).rate
    return Counted(said, found, inserted, samples / RATE / 3_600, rate, tuple(missed))


def told(name: str, result: Counted) -> None:
    """One line of the table."""
    print(
        f"{name:<24}{result.found:>4} of {result.said:<4}{result.found / max(1, result.said):6.1%}"
        f"{result.inserted:>8}{result.inserted / result.hours:>9.1f}{result.word_error_rate:>10.2%}"
        f"   {', '.join(result.missed)}",
        flush=True,
    )


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", default=registry.DEFAULT)
    add_audio_option(parser)
    parser.add_argument("--distractors", type=int, nargs="+", default=[0, 20, 100, 1_000])
    parser.add_argument("--prompts", type=int, default=100, help="how many telephone prompts")
    options = parser.parse_args()
    engine = engine_loaded(argparse.Namespace(config=None), options.engine)
    recordings, names = demo_turns()
    if (options.audio / "manifest.jsonl").is_file():
        clips = read_clips(options.audio, "read/")
        names = (*names, *(name for name in READ_NAMES if any(name in one.text for one in clips)))
        clips += read_clips(options.audio, "prompts/")[: options.prompts]
        recordings += [Said(samples_of(clip), clip.text) for clip in clips]
    minutes = sum(len(one.samples) for one in recordings) / RATE / 60
    print(recipe(), f"\nengine {engine.capabilities.name}; {minutes:.1f} minutes; names {names}")
    print(f"{'list':<24}{'found':<18}{'inserted':>8}{'an hour':>9}{'words wrong':>10}   missed")
    told("none", counted(engine, recordings, names, ()))
    for number in options.distractors:
        terms = (*names, *made_up(number))
        told(f"names, {number} others", counted(engine, recordings, names, terms))


if __name__ == "__main__":
    main()
