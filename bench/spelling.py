"""
Spelled names and codes: how many come back right, and what is changed in speech that spells nothing.

    python bench/spelling.py --sounds FOLDER [--audio FOLDER] [--texts]

Letters, digits and words of the spelling alphabet of Debian's package `asterisk-core-sounds-en-wav` (see
`bench/short_answers.py`) are joined to names and codes, with pauses of 0.06 to 0.18 s or of 0.2 to 0.4 s, and given
to the engine as whole utterances.  One is right if its text, written with numerals (`protocol/formatting`), is one
word of its letters and digits: `SMITH`, `K3T79`.  `unasked`: nobody has asked to spell.  Ordinary speech: the
prompts of the same package that are not in `--audio`, and the texts of those that are.
"""

import argparse
import string
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.accuracy import read_clips
from bench.recipe import recipe
from bench.shared_audio import add_audio_option
from bench.short_answers import DIGITS, NATO, sound, surrounded
from cli.common import engine_loaded
from protocol.clock import ENGINE_RATE
from protocol.formatting.formatter import format_texts
from workers.engines.base import Engine, RecognisedWord, Samples, Utterance
from workers.text.spelling import spelled

_NAMES = (
    "smith ekwall quillon johnson nguyen patel baker hughes vogt zhang xavier mcgraw whitby fuchs"
)
_PAUSES_MS = ((60, 180), (200, 400))
_CODES, _ALPHABETS = 14, 10
_NOISE_DBFS = -60.0
_LONGEST = 12.0


@dataclass(frozen=True, slots=True)
class Case:
    """A spelled name or code.  `text`: its letters and digits."""

    kind: str
    text: str
    samples: Samples


def trimmed(samples: Samples) -> Samples:
    """A sound without the silence around it."""
    loud = np.flatnonzero(np.abs(samples) > np.abs(samples).max() / 30)
    return samples[max(0, loud[0] - 320) : loud[-1] + 640]


def cases(folder: Path) -> Iterator[Case]:
    """Names, codes and words of the spelling alphabet, each with short and with long pauses."""
    letters = {one: trimmed(sound(folder / f"letters/{one}.wav")) for one in string.ascii_lowercase}
    digits = {str(n): trimmed(sound(folder / f"digits/{n}.wav")) for n in range(len(DIGITS))}
    words = {word[0]: trimmed(sound(folder / f"phonetic/{word[0]}_p.wav")) for word in NATO}
    random = np.random.default_rng(15)
    for pauses in _PAUSES_MS:
        for name in _NAMES.split():
            yield Case("names", name, _joined([letters[one] for one in name], pauses, random))
        for _ in range(_CODES):
            code = [str(one) for one in random.choice(list(letters), random.integers(2, 4))]
            code += [str(one) for one in random.choice(list(digits), random.integers(2, 5))]
            random.shuffle(code)
            sounds = [(letters | digits)[one] for one in code]
            yield Case("codes", "".join(code), _joined(sounds, pauses, random))
        for _ in range(_ALPHABETS):
            initials = [str(one) for one in random.choice(list(words), random.integers(3, 6))]
            sounds = [words[one] for one in initials]
            yield Case("NATO", "".join(initials), _joined(sounds, pauses, random))


def _joined(
    sounds: Sequence[Samples], pauses: tuple[int, int], random: np.random.Generator
) -> Samples:
    parts = list[Samples]()
    for one in sounds:
        length = int(random.integers(*pauses)) * ENGINE_RATE // 1_000
        noise = random.normal(0.0, 10 ** (_NOISE_DBFS / 20), length).astype(np.float32)
        parts += [one, noise]
    return surrounded(np.concatenate(parts[:-1]), _NOISE_DBFS)


def written(words: Sequence[RecognisedWord]) -> str:
    """A text with numerals, without the full stop."""
    items = format_texts([word.text for word in words], "en")
    return " ".join(item.text for item in items).rstrip(".")


def changed(texts: Sequence[Sequence[RecognisedWord]], *, asked: bool) -> list[str]:
    """The texts that are written otherwise."""
    return [
        " ".join(word.text for word in words)
        for words in texts
        if spelled(words, "en", asked=asked) != tuple(words)
    ]


def ordinary(engine: Engine, sounds: Path, audio: Path) -> list[tuple[RecognisedWord, ...]]:
    """The recognised texts of prompts that are not in `audio`, and the texts of those that are."""
    clips = [clip for kind in ("prompts/", "read/") for clip in read_clips(audio, kind)]
    used = {Path(clip.name).name for clip in clips}
    paths = [path for path in sorted(sounds.glob("*.wav")) if path.name not in used]
    heard = [sound(path) for path in paths]
    texts = [
        engine.transcribe([Utterance(one)])[0].words
        for one in heard
        if len(one) < _LONGEST * ENGINE_RATE
    ]
    return texts + [tuple(map(RecognisedWord, clip.text.split())) for clip in clips]


def main() -> int:
    """Print the tables.  Returns 1 if ordinary speech is changed although nobody has asked to spell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sounds", type=Path, required=True)
    add_audio_option(parser)
    parser.add_argument("--engine", default="moonshine")
    parser.add_argument("--texts", action="store_true")
    options = parser.parse_args()
    engine = engine_loaded(argparse.Namespace(config=None), options.engine)
    print(recipe())
    counts: dict[str, list[int]] = {}
    for case in cases(options.sounds):
        words = engine.transcribe([Utterance(case.samples)])[0].words
        ways = (words, spelled(words, "en", asked=False), spelled(words, "en", asked=True))
        right = [written(way) == case.text.upper() for way in ways]
        counts.setdefault(case.kind, [0, 0, 0, 0])
        counts[case.kind] = [
            one + other for one, other in zip(counts[case.kind], (1, *right), strict=True)
        ]
        if options.texts and not right[-1]:
            print("   ", case.text, "|", " ".join(word.text for word in words), flush=True)
    for kind, (number, *found) in counts.items():
        said = zip(("as heard", "unasked", "asked"), found, strict=True)
        print(f"{kind}: of {number}", *(f"{how} {count}" for how, count in said))
    texts = ordinary(engine, options.sounds, options.audio)
    number = sum(map(len, texts))
    for asked in (False, True):
        other = changed(texts, asked=asked)
        print(f"ordinary, {asked=}: {len(other)} of {len(texts)} texts, {number} words", *other)
    return int(bool(changed(texts, asked=False)))


if __name__ == "__main__":
    sys.exit(main())
