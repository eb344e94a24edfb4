"""
Fit and judge the map from token probabilities to the confidence of words (`workers/engines/common/calibration.py`).

    python bench/confidence.py collect confidence.jsonl [--engine moonshine]    # all words, right or wrong
    python bench/confidence.py fit confidence.jsonl          # constants; expected errors, also of those in use
    python bench/confidence.py plot confidence.jsonl --picture docs/pictures/confidence.png

Each English recording with a text is transcribed clean, with white noise and with babble of the other recordings. A
word is right if it is equal to the aligned word of the text, normalised with Whisper's English normaliser. The map
is fitted to the telephone prompts (one voice) and judged by the others, whose voices it has not seen. ECE, the
expected calibration error: mean difference of confidence and share of right words over ten bins of equal size,
weighted by their words (Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, with equal sizes).
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import jiwer
import numpy as np
import numpy.typing as npt
from rich.progress import track

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.accuracy import Clip, read_clips
from bench.recipe import recipe
from bench.shared_audio import add_audio_option
from bench.wer import normalised, pieces
from bench.word_times import samples_of
from cli.common import engine_loaded
from workers.engines import registry
from workers.engines.base import Engine, RecognisedWord, Samples, Utterance
from workers.engines.common.calibration import UNCALIBRATED, Calibration, features
from workers.engines.moonshine.engine import Moonshine

_RATE = 16_000
_BINS = 10
_FITTED = "prompts/"
_STEPS = 50
_WEIGHT_DECAY = 1e-3

Values = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class JudgedWord:
    """A recognised word: uncalibrated probability, mean log-probability of its segment, and whether it is right."""

    file: str
    condition: str
    probability: float
    segment: float
    right: bool


def conditions(samples: Samples, others: Samples, seed: int) -> Iterator[tuple[str, Samples]]:
    """The same speech clean and in noise, at signal-to-noise ratios in dB."""
    random = np.random.default_rng(seed)
    start = int(random.integers(0, len(others) - len(samples)))
    babble = others[start : start + len(samples)]
    white = random.standard_normal(len(samples)).astype(np.float32)
    yield "clean", samples
    yield "white 15 dB", _mixed(samples, white, 15)
    yield "babble 12 dB", _mixed(samples, babble, 12)


def _mixed(speech: Samples, noise: Samples, ratio: float) -> Samples:
    gain = np.sqrt(np.mean(speech**2) / np.mean(noise**2)) * 10 ** (-ratio / 20)
    mixed: Samples = (speech + gain * noise).astype(np.float32)
    return mixed


def babble_of(clips: Sequence[Clip]) -> Samples:
    """Six voices at once, shifted copies of all recordings."""
    whole = np.concatenate([samples_of(clip) for clip in clips])
    shifted = [np.roll(whole, step * len(whole) // 7) for step in range(1, 7)]
    together: Samples = np.sum(shifted, axis=0).astype(np.float32)
    return together


def judged(words: Sequence[RecognisedWord], text: str) -> list[bool]:
    """For each word whether it is right: all its normalised parts are equal to the aligned parts of the text."""
    parts = [normalised(word.text, "en").split() for word in words]
    said = [
        part for word in text.replace("-", " ").split() for part in normalised(word, "en").split()
    ]
    heard = [part for word in parts for part in word]
    right = np.zeros(len(heard), dtype=bool)
    if heard and said:
        for chunk in jiwer.process_words(" ".join(said), " ".join(heard)).alignments[0]:
            if chunk.type == "equal":
                right[chunk.hyp_start_idx : chunk.hyp_end_idx] = True
    ends = np.cumsum([len(word) for word in parts])
    return [bool(right[end - len(word) : end].all()) for word, end in zip(parts, ends, strict=True)]


def collect(engine: Engine, clips: Sequence[Clip]) -> Iterator[JudgedWord]:
    """All recognised words of all clips in all conditions."""
    babble = babble_of(clips)
    for number, clip in enumerate(track(clips, "recordings")):
        for condition, samples in conditions(samples_of(clip), babble, number):
            longest = int(engine.capabilities.max_seconds * _RATE)
            segments = [
                engine.transcribe([Utterance(part)])[0].words for part in pieces(samples, longest)
            ]
            right = iter(judged([word for words in segments for word in words], clip.text))
            for words in segments:
                for probability, segment in features([word.confidence or 0.0 for word in words]):
                    yield JudgedWord(clip.name, condition, probability, segment, next(right))


def fitted(words: Sequence[JudgedWord]) -> Calibration:
    """Logistic regression by Newton's method; each word counts once."""
    x = np.array([[1.0, *_logs(word)] for word in words])
    y = np.array([word.right for word in words], dtype=np.float64)
    weights = np.zeros(x.shape[1])
    for _ in range(_STEPS):
        p = 1 / (1 + np.exp(-x @ weights))
        hessian = x.T @ (x * (p * (1 - p))[:, None]) + _WEIGHT_DECAY * np.eye(x.shape[1])
        weights -= np.linalg.solve(hessian, x.T @ (p - y) + _WEIGHT_DECAY * weights)
    return Calibration(*(round(float(weight), 3) for weight in weights))


def _logs(word: JudgedWord) -> tuple[float, float]:
    return Calibration.terms(word.probability, word.segment)


def calibration_error(confidence: Values, right: Values) -> float:
    """ECE, 0 to 1, over bins of equal size."""
    order = np.argsort(confidence)
    bins = np.array_split(order, _BINS)
    away = [abs(float(confidence[part].mean() - right[part].mean())) for part in bins]
    return float(np.average(away, weights=[len(part) for part in bins]))


def told(name: str, words: Sequence[JudgedWord], calibration: Calibration) -> None:
    """One line of the table."""
    right = np.array([word.right for word in words], dtype=np.float64)
    raw = np.array([word.probability for word in words])
    mapped = np.array([calibration.confidence(word.probability, word.segment) for word in words])
    print(
        f"{name:<28}{len(words):>6} {right.mean():7.1%}   {raw.mean():.3f} {calibration_error(raw, right):.4f}"
        f"   {mapped.mean():.3f} {calibration_error(mapped, right):.4f}"
    )


def fit(words: Sequence[JudgedWord]) -> None:
    """Print the constants in use and those of a new fit, each with its table."""
    seen = [word for word in words if word.file.startswith(_FITTED)]
    unseen = [word for word in words if not word.file.startswith(_FITTED)]
    table("in use", Moonshine.calibration, seen, unseen)
    table("fitted anew", fitted(seen), seen, unseen)


def table(
    name: str, calibration: Calibration, seen: Sequence[JudgedWord], unseen: Sequence[JudgedWord]
) -> None:
    """Print the errors of one map, by voices and conditions."""
    print(f"{name}: {calibration}")
    print(f"{'':28} words   right   raw: mean, ECE   calibrated: mean, ECE")
    for voices, part in (("all", [*seen, *unseen]), ("prompts", seen), ("held-out voices", unseen)):
        told(voices, part, calibration)
        for condition in dict.fromkeys(word.condition for word in part):
            told(f"  {condition}", [one for one in part if one.condition == condition], calibration)


def plot(words: Sequence[JudgedWord], picture: Path) -> None:
    """Draw the share of right words over the confidence of the held-out voices, without and with the map in use."""
    from matplotlib.figure import Figure  # noqa: PLC0415  # slow to import

    unseen = [word for word in words if not word.file.startswith(_FITTED)]
    calibration = Moonshine.calibration
    right = np.array([word.right for word in unseen], dtype=np.float64)
    raw = np.array([word.probability for word in unseen])
    mapped = np.array([calibration.confidence(word.probability, word.segment) for word in unseen])
    figure = Figure(figsize=(4.5, 4), dpi=80, layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=1)
    for name, values in (("token probability", raw), ("calibrated", mapped)):
        bins = np.array_split(np.argsort(values), _BINS)
        axes.plot(
            [values[part].mean() for part in bins],
            [right[part].mean() for part in bins],
            marker="o",
            markersize=4,
            label=f"{name}, ECE {calibration_error(values, right):.3f}",
        )
    axes.set(xlabel="confidence", ylabel="share of right words", xlim=(0, 1.02), ylim=(0, 1.02))
    axes.legend(loc="upper left", fontsize=8)
    figure.savefig(picture)


def read(path: Path) -> list[JudgedWord]:
    """The words that `collect` has written."""
    return [JudgedWord(**json.loads(line)) for line in path.read_text().splitlines()]


def main() -> None:
    """Run one of the three steps."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("step", choices=["collect", "fit", "plot"])
    parser.add_argument("words", type=Path)
    parser.add_argument("--engine", default=registry.DEFAULT)
    add_audio_option(parser)
    parser.add_argument("--picture", type=Path, default=Path("confidence.png"))
    options = parser.parse_args()
    print(recipe())
    match options.step:
        case "fit":
            fit(read(options.words))
        case "plot":
            plot(read(options.words), options.picture)
        case _:
            write(options)


def write(options: argparse.Namespace) -> None:
    """Write the words of all recordings to the file."""
    engine = engine_loaded(argparse.Namespace(config=None), options.engine)
    if isinstance(engine, Moonshine):
        engine.calibration = UNCALIBRATED
    clips = [
        clip
        for kind in ("prompts/", "read/", "languages/")
        for clip in read_clips(options.audio, kind)
    ]
    with options.words.open("w") as file:
        for word in collect(engine, clips):
            file.write(json.dumps(asdict(word)) + "\n")


if __name__ == "__main__":
    main()
