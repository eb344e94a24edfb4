"""
Numbers read out, and the digits counted that came out wrong.

The recordings lie in `tests/speech/numbers`: card, telephone and order numbers, IBANs and dates, in groups and in
one breath, by both voices of the packaged demo call.  Each is given whole to the engine.
"""

import argparse
import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jiwer
import numpy as np
import soxr

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.recipe import recipe
from cli.common import engine_loaded
from cli.recording import read_recording
from workers.engines import registry
from workers.engines.base import Engine, Hypothesis, Samples, Utterance

_NAMES = {
    name: str(digit)
    for digit, name in enumerate(
        ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    )
} | {"oh": "0"}
_DIGIT = re.compile(rf"[0-9]|\b(?:{'|'.join(_NAMES)})\b")

NUMBERS = Path(__file__).parent.parent / "tests" / "speech" / "numbers"


@dataclass(frozen=True, slots=True)
class ReadOut:
    """A recording of a number, at the engine's rate, and its digits."""

    name: str
    digits: str
    samples: Samples


@dataclass(frozen=True, slots=True)
class DigitErrors:
    """Wrong, missing and added digits, of so many that were said; how many numbers came out whole."""

    wrong: int = 0
    said: int = 0
    whole: int = 0
    numbers: int = 0

    def __add__(self, other: "DigitErrors") -> "DigitErrors":
        return DigitErrors(
            self.wrong + other.wrong,
            self.said + other.said,
            self.whole + other.whole,
            self.numbers + other.numbers,
        )

    @property
    def rate(self) -> float:
        """Wrong digits for each that was said; 0 where none was."""
        return self.wrong / self.said if self.said else 0.0

    def __str__(self) -> str:
        return (
            f"{100 * self.rate:.2f} % ({self.wrong} of {self.said} digits), "
            f"{self.whole} of {self.numbers} numbers without an error"
        )


def digits_in(text: str) -> str:
    """All digits of a text, whether it has them as digits or as words."""
    found = _DIGIT.findall(text.casefold())
    return "".join(_NAMES.get(each, each) for each in found)


def digit_errors(said: str, heard: str) -> DigitErrors:
    """The least number of digits to change, to add and to take away to come from one to the other."""
    if not heard:
        return DigitErrors(len(said), len(said), int(not said), 1)
    counted = jiwer.process_characters(said, heard)
    wrong = counted.substitutions + counted.deletions + counted.insertions
    return DigitErrors(wrong, len(said), int(not wrong), 1)


def read_numbers(folder: Path = NUMBERS) -> list[ReadOut]:
    """The recordings that `manifest.jsonl` in `folder` lists."""
    lines = [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]
    return [ReadOut(line["file"], line["digits"], _wide(folder / line["file"])) for line in lines]


def errors_of(engine: Engine, numbers: Sequence[ReadOut], *, notify: bool = False) -> DigitErrors:
    """Of all of `numbers`; `tell` prints those that came out wrong."""
    total = DigitErrors()
    for number in numbers:
        heard = engine.transcribe([Utterance(number.samples)])[0]
        errors = digit_errors(number.digits, digits_in(heard.text))
        total += errors
        if notify and errors.wrong:
            _notify(number, heard)
    return total


def _notify(number: ReadOut, heard: Hypothesis) -> None:
    flags = f" [{', '.join(heard.flags)}]" if heard.flags else ""
    print(f"  {number.name}: {number.digits} was heard as: {heard.text}{flags}")


def _wide(path: Path) -> Samples:
    narrow = read_recording(path).channels[0].astype(np.float32) / 32_768
    wide: Samples = soxr.resample(narrow, 8_000, 16_000, quality="HQ").astype(np.float32)
    return wide


def main() -> int:
    """0 when no more digits are wrong than `--most` says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", default=registry.DEFAULT)
    parser.add_argument("--most", type=float, default=5.0, help="percent of digits")
    options = parser.parse_args()
    print(recipe())
    engine = engine_loaded(argparse.Namespace(config=None), options.engine)
    total = errors_of(engine, read_numbers(), notify=True)
    print(f"Numbers read out by two synthetic voices, digits: {total}")
    return 0 if 100 * total.rate <= options.most else 1


if __name__ == "__main__":
    sys.exit(main())
