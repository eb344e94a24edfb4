"""
Short answers of one word, alone and with silence around them: letters, NATO spelling, numbers, everyday words.

Ninety recordings of Debian's package `asterisk-core-sounds-en-wav` (--sounds: its folder `en_US_f_Allison`, which
`apt-get download` and `dpkg-deb -x` unpack), encoded as mu-law and given to the engine.  A letter is right if it
is written as a letter, a number in digits or in words.
"""

import argparse
import re
import string
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import soxr

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.recipe import recipe
from cli.common import engine_loaded
from cli.recording import read_recording
from protocol.audio import Encoding, decode, encode
from workers.engines.base import Engine, Samples, Utterance

_NUMBERS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
    " sixteen seventeen eighteen nineteen twenty"
)
_ALPHABET = (
    "alpha bravo charlie delta echo foxtrot golf hotel india juliet kilo lima mike november oscar papa"
    " quebec romeo sierra tango uniform victor whiskey xray yankee zulu"
)
_UP_TO_TWENTY, _NATO = _NUMBERS.split(), _ALPHABET.split()
_TENS = ["thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_EVERYDAY = {
    "hello": "hello", "goodbye": "goodbye", "sorry": "sorry", "digits/today": "today",
    "digits/tomorrow": "tomorrow", "digits/yesterday": "yesterday", "digits/hundred": "hundred",
    "digits/thousand": "thousand", "digits/million": "million", "digits/day-1": "monday",
}  # fmt: skip
_ANSWERS = {
    **{f"letters/{letter}": letter for letter in string.ascii_lowercase},
    **{f"phonetic/{word[0]}_p": word for word in _NATO},
    **{f"digits/{number}": word for number, word in enumerate(_UP_TO_TWENTY)},
    **{f"digits/{ten}0": word for ten, word in enumerate(_TENS, 3)},
    **_EVERYDAY,
}
_SPELLINGS = {
    **{str(number): word for number, word in enumerate(_UP_TO_TWENTY)},
    **{f"{ten}0": word for ten, word in enumerate(_TENS, 3)},
    "alfa": "alpha", "juliette": "juliet", "whisky": "whiskey", "x ray": "xray", "good bye": "goodbye",
}  # fmt: skip
_BEFORE, _BEHIND = 4_800, 6_400
"""Samples at 16 kHz around a word: the pre-roll and after-roll of a segment."""


def plain(text: str) -> str:
    """A recognised answer, without capitals, punctuation and variants of its spelling."""
    words = " ".join(re.findall(r"[a-z0-9]+", text.lower()))
    return _SPELLINGS.get(words, words)


def sound(path: Path) -> Samples:
    """A recording as engines get it from a mu-law line."""
    line = encode(read_recording(path).channels[0], Encoding.MULAW)
    narrow = decode(line, Encoding.MULAW).astype(np.float32) / 32_768
    return np.asarray(soxr.resample(narrow, 8_000, 16_000), dtype=np.float32)


def surrounded(samples: Samples, dbfs: float | None) -> Samples:
    """The samples with noise of `dbfs` before and behind them; None: digital silence."""
    around = np.zeros(_BEFORE + _BEHIND, dtype=np.float32)
    if dbfs is not None:
        around = np.random.default_rng(15).normal(0, 10 ** (dbfs / 20), len(around)).astype("f4")
    return np.concatenate([around[:_BEFORE], samples, around[_BEFORE:]])


def wrong(
    engine: Engine, answers: Sequence[tuple[str, Samples]], around: Callable[[Samples], Samples]
) -> list[str]:
    """The answers that the engine does not recognise: what was said and what it wrote."""
    heard = [(said, engine.transcribe([Utterance(around(one))])[0].text) for said, one in answers]
    return [f"{said}: {text!r}" for said, text in heard if plain(text) != said]


def main() -> int:
    """Print one line for each surrounding, and the wrong answers with `--texts`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sounds", type=Path, required=True)
    parser.add_argument("--engine", default="moonshine")
    parser.add_argument("--texts", action="store_true")
    options = parser.parse_args()
    engine = engine_loaded(argparse.Namespace(config=None), options.engine)
    answers = [(said, sound(options.sounds / f"{name}.wav")) for name, said in _ANSWERS.items()]
    print(recipe())
    surroundings: dict[str, Callable[[Samples], Samples]] = {
        "alone": lambda samples: samples,
        "digital silence": lambda samples: surrounded(samples, None),
        "noise of -60 dBFS": lambda samples: surrounded(samples, -60.0),
        "noise of -50 dBFS": lambda samples: surrounded(samples, -50.0),
    }
    for name, around in surroundings.items():
        errors = wrong(engine, answers, around)
        print(f"{name:18} {len(answers) - len(errors)} of {len(answers)}", flush=True)
        if options.texts:
            print("   ", ", ".join(errors))
    return 0


if __name__ == "__main__":
    sys.exit(main())
