"""
Numbers read out, and the digits counted that came out wrong.

The recordings lie in `tests/speech/numbers`: card, telephone and order numbers, IBANs and dates, in groups and in
one breath, by both voices of the packaged demo call.  A third voice is human: the same numbers, put together from
the digits of telephone prompts (`tests/speech/digits`) as a telephone system puts them together.  Each is given
whole to the engine.
"""

import argparse
import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import jiwer
import numpy as np
import soxr

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.recipe import recipe
from cli.common import engine_loaded
from cli.recording import read_recording
from protocol.audio import Pcm
from workers.engines import registry
from workers.engines.base import Engine, Hypothesis, Samples, Utterance

_NAMES = {
    name: str(digit)
    for digit, name in enumerate(
        ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    )
} | {"oh": "0"}
_DIGIT = re.compile(rf"[0-9]|\b(?:{'|'.join(_NAMES)})\b")

_SPEECH = Path(__file__).parent.parent / "tests" / "speech"
NUMBERS = _SPEECH / "numbers"
DIGITS = _SPEECH / "digits"

HUMAN = "human"
"""The voice of the numbers that are put together from `DIGITS`."""

_KINDS = {"phone": "telephone", "iban": "IBAN", "date": "date", "code": "code"} | dict.fromkeys(
    ("order", "policy", "nines"), "order"
)
"""Kind of a number by the first part of its name; all others are cards."""

_BETWEEN, _BETWEEN_GROUPS, _AROUND = 160, 2_000, 1_600
"""Samples of silence at 8 kHz: between digits (20 ms), between groups (250 ms), before and after the number."""

_FAINT = 300
"""Samples below this value before and after a digit are cut off."""


@dataclass(frozen=True, slots=True)
class ReadOut:
    """A recording of a number, at the engine's rate, and its digits."""

    name: str
    digits: str
    samples: Samples

    @property
    def voice(self) -> str:
        """`agent`, `customer` or `human`."""
        return Path(self.name).stem.rpartition("-")[2]

    @property
    def kind(self) -> str:
        """`card`, `code`, `telephone`, `order`, `IBAN` or `date`."""
        return _KINDS.get(self.name.partition("-")[0], "card")


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


def human_numbers(folder: Path = NUMBERS, digits: Path = DIGITS) -> list[ReadOut]:
    """The numbers of `folder`, without the words around them, put together from ten recordings of digits."""
    said = {name: trimmed(digits / f"{name}.wav") for name in "0123456789"}
    lines = [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]
    return [
        ReadOut(
            line["file"].replace("-agent.wav", f"-{HUMAN}"),
            line["digits"],
            at_16_khz(spliced(line["spoken"], said)),
        )
        for line in lines
        if line["file"].endswith("-agent.wav")
    ]


def spliced(spoken: str, said: Mapping[str, Pcm]) -> Pcm:
    """The recordings of the digits in `spoken`, with a pause at each comma. int16 `[n]` at 8 kHz."""
    parts: list[Pcm] = [np.zeros(_AROUND, dtype=np.int16)]
    for group in filter(None, map(digits_in, spoken.split(","))):
        for digit in group:
            parts += [said[digit], np.zeros(_BETWEEN, dtype=np.int16)]
        parts.append(np.zeros(_BETWEEN_GROUPS - _BETWEEN, dtype=np.int16))
    return np.concatenate([*parts, parts[0]])


def trimmed(path: Path) -> Pcm:
    """A recording without the silence around it. int16 `[n]` at 8 kHz."""
    pcm = read_recording(path).channels[0]
    loud = np.flatnonzero(np.abs(pcm.astype(np.int32)) > _FAINT)
    return pcm[loud[0] : loud[-1] + 1]


def errors_of(engine: Engine, numbers: Sequence[ReadOut], *, notify: bool = False) -> DigitErrors:
    """Of all of `numbers`; `notify` prints those that came out wrong."""
    each = errors_by_kind(engine, numbers, notify=notify)
    return sum(each.values(), DigitErrors())


def errors_by_kind(
    engine: Engine, numbers: Sequence[ReadOut], *, notify: bool = False
) -> dict[tuple[str, str], DigitErrors]:
    """By kind and voice."""
    totals = dict[tuple[str, str], DigitErrors]()
    for number in numbers:
        heard = engine.transcribe([Utterance(number.samples)])[0]
        errors = digit_errors(number.digits, digits_in(heard.text))
        place = number.kind, number.voice
        totals[place] = totals.get(place, DigitErrors()) + errors
        if notify and errors.wrong:
            _notify(number, heard)
    return totals


def _notify(number: ReadOut, heard: Hypothesis) -> None:
    flags = f" [{', '.join(heard.flags)}]" if heard.flags else ""
    print(f"  {number.name}: {number.digits} was heard as: {heard.text}{flags}")


def _wide(path: Path) -> Samples:
    return at_16_khz(read_recording(path).channels[0])


def at_16_khz(pcm: Pcm) -> Samples:
    """Audio at 8 kHz as engines take it."""
    narrow = pcm.astype(np.float32) / 32_768
    wide: Samples = soxr.resample(narrow, 8_000, 16_000, quality="HQ").astype(np.float32)
    return wide


def main() -> int:
    """0 when, for each voice, no more digits are wrong than `--most` says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", default=registry.DEFAULT)
    parser.add_argument("--most", type=float, default=5.0, help="percent of digits")
    options = parser.parse_args()
    print(recipe())
    engine = engine_loaded(argparse.Namespace(config=None), options.engine)
    errors = errors_by_kind(engine, [*read_numbers(), *human_numbers()], notify=True)
    for (kind, voice), some in sorted(errors.items()):
        print(f"{kind:10} {voice:9} {some}")
    voices = sorted({voice for _, voice in errors})
    totals = [
        sum((some for (_, other), some in errors.items() if other == voice), DigitErrors())
        for voice in voices
    ]
    for voice, total in zip(voices, totals, strict=True):
        print(f"{'all':10} {voice:9} {total}")
    return 0 if all(100 * total.rate <= options.most for total in totals) else 1


if __name__ == "__main__":
    sys.exit(main())
