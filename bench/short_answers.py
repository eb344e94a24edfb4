"""
Short answers of one word, alone and with silence around them: letters, NATO spelling, numbers, everyday words.

Ninety recordings of Debian's package `asterisk-core-sounds-en-wav` (--sounds: its folder `en_US_f_Allison`, which
`apt-get download` and `dpkg-deb -x` unpack), encoded as mu-law and given to the engine, or cut as a live call.  A
letter is right if it is written as a letter, a number in digits or in words.  `asked to spell`: as the worker
writes them after somebody has asked for letters (`workers/text/spelling.py`).
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

from bench.drafted_channel import DraftedChannel
from bench.recipe import recipe
from cli.common import engine_loaded
from cli.recording import read_recording
from protocol.audio import Encoding, decode, encode
from protocol.clock import CALL_RATE, ENGINE_RATE
from streaming.audio.voice_activity.silero import Silero, silero_weights
from streaming.settings import GatewaySettings
from workers.engines.base import Engine, RecognisedWord, Samples, Utterance
from workers.text.spelling import spelled

_NUMBERS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
    " sixteen seventeen eighteen nineteen twenty"
)
_ALPHABET = (
    "alpha bravo charlie delta echo foxtrot golf hotel india juliet kilo lima mike november oscar papa"
    " quebec romeo sierra tango uniform victor whiskey xray yankee zulu"
)
_UP_TO_TWENTY, NATO = _NUMBERS.split(), _ALPHABET.split()
DIGITS = _UP_TO_TWENTY[:10]
_TENS = ["thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_EVERYDAY = {
    "hello": "hello", "goodbye": "goodbye", "sorry": "sorry", "digits/today": "today",
    "digits/tomorrow": "tomorrow", "digits/yesterday": "yesterday", "digits/hundred": "hundred",
    "digits/thousand": "thousand", "digits/million": "million", "digits/day-1": "monday",
}  # fmt: skip
_ANSWERS = {
    **{f"letters/{letter}": letter for letter in string.ascii_lowercase},
    **{f"phonetic/{word[0]}_p": word for word in NATO},
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


def as_call(engine: Engine, silero: Silero, samples: Samples) -> list[RecognisedWord]:
    """The words of an answer between a second of digital silence, as a live call hears it."""
    narrow = soxr.resample(samples, ENGINE_RATE, CALL_RATE) * 32_768
    silence = np.zeros(CALL_RATE, dtype=np.int16)
    line = np.concatenate(
        [silence, np.rint(narrow).clip(-32_768, 32_767).astype(np.int16), silence]
    )
    channel = DraftedChannel(engine, GatewaySettings().endpointing, silero)
    return [RecognisedWord(word) for one in channel.play(line) for word in one.text.split()]


def wrong(
    answers: Sequence[tuple[str, Samples]], heard: Callable[[Samples], Sequence[RecognisedWord]]
) -> list[str]:
    """The answers that are not recognised: what was said and what was written."""
    texts = [(said, " ".join(word.text for word in heard(one))) for said, one in answers]
    return [f"{said}: {text!r}" for said, text in texts if plain(text) != said]


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

    def decoded(samples: Samples) -> Sequence[RecognisedWord]:
        return engine.transcribe([Utterance(samples)])[0].words

    ways: dict[str, Callable[[Samples], Sequence[RecognisedWord]]] = {
        "alone": decoded,
        "alone, asked to spell": lambda samples: spelled(decoded(samples), "en", asked=True),
        "digital silence": lambda samples: decoded(surrounded(samples, None)),
        "noise of -60 dBFS": lambda samples: decoded(surrounded(samples, -60.0)),
        "noise of -50 dBFS": lambda samples: decoded(surrounded(samples, -50.0)),
    }
    if weights := silero_weights():
        silero = Silero(weights)
        ways["live"] = lambda samples: as_call(engine, silero, samples)
        ways["live, asked to spell"] = lambda samples: spelled(
            as_call(engine, silero, samples), "en", asked=True
        )
    for name, heard in ways.items():
        errors = wrong(answers, heard)
        print(f"{name:22} {len(answers) - len(errors)} of {len(answers)}", flush=True)
        if options.texts:
            print("   ", ", ".join(errors))
    return 0


if __name__ == "__main__":
    sys.exit(main())
