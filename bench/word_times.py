"""
Error of the word times of an engine, and what they cost.

    python bench/word_times.py [--engine moonshine] [--reference bench/references/word_times.json] [--audio FOLDER]

The reference is made by `bench/word_times_reference.py`.  A recognised word is compared with the word of the text
that it matches; words that the engine did not recognise are not counted.  Beside the engine's times stand the
estimates that clients get from an engine without times: each word has the share of the segment that its letters
have.  For Moonshine, the CPU time of the times is compared with that of the finals.
"""

import argparse
import json
import sys
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import pairwise
from pathlib import Path

import numpy as np
import soxr

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.accuracy import Clip, read_clips
from bench.recipe import recipe
from bench.shared_audio import add_audio_option
from bench.word_times_reference import plain_words
from cli.common import engine_loaded
from protocol.dialects.common.turns import timed
from protocol.events import Span, Word
from workers.engines import registry
from workers.engines.base import Engine, Hypothesis, Samples, Utterance
from workers.engines.common.beam_search import Found
from workers.engines.common.pauses import outside_pauses
from workers.engines.moonshine.alignment import token_boundaries
from workers.engines.moonshine.engine import Moonshine
from workers.engines.moonshine.keyword_search import Recognised

_RATE = 16_000
Times = Sequence[tuple[float, float]]
"""Start and end of words in milliseconds."""


@dataclass(frozen=True, slots=True)
class Off:
    """Errors of one word in milliseconds: measured minus reference."""

    start: float
    end: float


def samples_of(clip: Clip) -> Samples:
    """A recording as engines take it."""
    wide = soxr.resample(clip.pcm.astype(np.float32) / 32_768, 8_000, _RATE, quality="HQ")
    return np.asarray(wide, dtype=np.float32)


def matched(recognised: Sequence[str], said: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Places of the same word in both."""
    one, other = (["".join(plain_words(word)) for word in words] for words in (recognised, said))
    for block in SequenceMatcher(None, one, other, autojunk=False).get_matching_blocks():
        yield from ((block.a + step, block.b + step) for step in range(block.size))


def estimated(heard: Hypothesis, samples: int) -> Times:
    """Times in proportion to letters, as for an engine without word times."""
    words = timed([Word(word.text) for word in heard.words], Span(0, samples))
    return [(1_000 * word.start / _RATE, 1_000 * word.end / _RATE) for word in words]


def measured(heard: Hypothesis) -> Times:
    """Times that the engine gave."""
    return [
        (1_000 * (word.start or 0) / _RATE, 1_000 * (word.end or 0) / _RATE) for word in heard.words
    ]


def errors(heard: Hypothesis, times: Times, clip: Clip, reference: Times) -> Iterator[Off]:
    """The error of each word that was recognised."""
    recognised = [word.text for word in heard.words]
    for here, there in matched(recognised, plain_words(clip.text)):
        (start, end), (true_start, true_end) = times[here], reference[there]
        yield Off(start - true_start, end - true_end)


def told(name: str, found: Sequence[Off]) -> str:
    """One line of the table."""
    cells = []
    for values in ([one.start for one in found], [one.end for one in found]):
        away = np.abs(values)
        cells.append(
            f"{np.median(away):5.0f} {np.quantile(away, 0.9):5.0f} {np.mean(away > 200):6.1%}"
            f" {np.median(values):+5.0f}"
        )
    return f"{name:<12}{len(found):>6}   {cells[0]}   {cells[1]}"


def ended(steps: Generator[None, None, Recognised]) -> Found:
    """What `steps` returns at its end."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            recognised: Recognised = done.value
            return recognised.found


def cost(engine: Moonshine, clips: Sequence[Clip]) -> float:
    """CPU time of word times as a share of that of finals without them, from the same run."""
    plain = extra = 0.0
    for clip in clips:
        samples = samples_of(clip)
        begun = time.process_time()
        decoder = engine._encode(samples)  # the parts of a final are timed one by one
        found = ended(engine._found(Utterance(samples), decoder))
        between = time.process_time()
        bounds = token_boundaries(decoder.attentions(found.tokens), len(samples))
        outside_pauses(list(pairwise(bounds)), samples)
        plain += between - begun
        extra += time.process_time() - between
    return extra / plain


def measure(engine: Engine, clips: Sequence[Clip], references: dict[str, Times]) -> None:
    """Transcribe all clips and print the table."""
    by_engine: list[Off] = []
    by_letters: list[Off] = []
    for clip in clips:
        samples = samples_of(clip)
        (heard,) = engine.transcribe([Utterance(samples)])
        reference = references[clip.name]
        by_engine += errors(heard, measured(heard), clip, reference)
        by_letters += errors(heard, estimated(heard, len(samples)), clip, reference)
    print("             words   start: median, p90, over 200 ms, bias   end: the same (ms)")
    print(told("estimated", by_letters))
    if engine.capabilities.word_times:
        print(told("engine", by_engine))


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", default=registry.DEFAULT)
    add_audio_option(parser)
    parser.add_argument(
        "--reference", type=Path, default=Path(__file__).parent / "references" / "word_times.json"
    )
    parser.add_argument("--cost", action="store_true", help="measure the CPU time too")
    options = parser.parse_args()
    engine = engine_loaded(argparse.Namespace(config=None), options.engine)
    references = json.loads(options.reference.read_text())
    limit = engine.capabilities.max_seconds
    print(recipe(), f"\nengine {engine.capabilities.name}")
    for kind in ("prompts/", "read/"):
        clips = [
            clip
            for clip in read_clips(options.audio, kind)
            if clip.name in references and clip.seconds <= limit
        ]
        print(f"\n{kind} {len(clips)} recordings")
        measure(engine, clips, references)
        if options.cost and isinstance(engine, Moonshine):
            print(f"CPU time of word times: {cost(engine, clips[:20]):.1%} of finals")


if __name__ == "__main__":
    main()
