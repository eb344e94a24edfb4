"""
Measure redaction on the output of a recogniser: numbers read out by two synthetic voices and one human voice.

    python bench/redaction_audio.py [--engine moonshine] [--more 60] [--presidio PYTHON] [--heard FILE]

The recordings are those of `bench/digits.py`; `--more` adds card numbers put together from the human digits, and
for each three of them a security code and an order number. A card number counts as masked if at most three of its
digits are shown, a code if none is. Each number is judged without a cue in its call, and after a question for it
("could I have the card number", "what is your order number"). `--heard`: keeps what the engine writes, and reads it
if the file exists. `--presidio`: see `bench/redaction.py`.
"""

import argparse
import json
import random
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.digits import (
    DIGITS,
    ReadOut,
    at_16_khz,
    digits_in,
    human_numbers,
    read_numbers,
    spliced,
    trimmed,
)
from bench.recipe import recipe
from bench.redaction import plain_spans, with_presidio
from bench.redaction_set.case import Case, Line
from cli.common import engine_loaded
from protocol.events import SegmentId, Span
from protocol.redaction.call_state import CallState
from protocol.redaction.policy import CARD_DATA_POLICY
from protocol.redaction.redactor import RecognisedText, redact
from protocol.redaction.segment.card_numbers import check_digit
from workers.engines import registry
from workers.engines.base import Utterance

_SHOWN = {"card": 3, "code": 0}
"""Most digits of masked card data that may be shown."""

_QUESTIONS = {
    "card": "could I have the card number please",
    "code": "and the three digits on the back please",
    "telephone": "what is your phone number",
    "order": "what is your order number",
    "date": "what is your date of birth",
    "IBAN": "what is your iban",
}
_PREFIXES = ("4", "51", "2221", "37", "6011", "36")


def more_numbers(count: int) -> Iterator[ReadOut]:
    """
    `count` card numbers of several schemes, in groups or in one breath, put together from the human digits.

    And a third as many security codes, and as many order numbers of 5 to 10 digits.
    """
    chosen = random.Random(14)  # a test set, no secret
    said = {name: trimmed(DIGITS / f"{name}.wav") for name in "0123456789"}
    for place in range(count // 3):
        for name, length in (("code", 3 + place % 2), ("order", 5 + place % 6)):
            digits = "".join(chosen.choices("0123456789", k=length))
            yield ReadOut(f"{name}-{place}-human", digits, at_16_khz(spliced(digits, said)))
    for place in range(count):
        prefix = _PREFIXES[place % len(_PREFIXES)]
        length = {"37": 15, "36": 14}.get(prefix, 16)
        body = prefix + "".join(chosen.choices("0123456789", k=length - 1 - len(prefix)))
        digits = body + check_digit(body)
        size = (4, 2, 20, 3)[place % 4]
        groups = ",".join(digits[at : at + size] for at in range(0, length, size))
        yield ReadOut(f"card{place}-human", digits, at_16_khz(spliced(groups, said)))


def shown_after(question: str, text: str) -> str:
    """What is shown of a segment, after a question in the other channel if there is one."""
    state = CallState()
    if question:
        asked = RecognisedText(SegmentId(0, 0), Span(0, 16_000), tuple(question.split()), "en")
        state = redact(state, asked, CARD_DATA_POLICY).state
    words = tuple(text.split())
    heard = RecognisedText(SegmentId(1, 0), Span(24_000, 64_000), words, "en")
    hidden = {
        at
        for mask in redact(state, heard, CARD_DATA_POLICY).masks
        for at in range(mask.first, mask.last + 1)
    }
    return " ".join(word for at, word in enumerate(words) if at not in hidden)


def shown_by_patterns(text: str) -> str:
    """What plain regular expressions leave."""
    words = text.split()
    hidden = plain_spans(words)
    return " ".join(word for at, word in enumerate(words) if at not in hidden)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("--engine", default=registry.DEFAULT)
    parser.add_argument("--more", type=int, default=60)
    parser.add_argument("--heard", type=Path)
    parser.add_argument("--presidio", default="")
    parser.add_argument(
        "--notify", action="store_true", help="print what was missed or masked by mistake"
    )
    options = parser.parse_args()
    print(recipe())
    numbers = [*read_numbers(), *human_numbers(), *more_numbers(options.more)]
    texts = _heard(options, numbers)
    presidio = shown_by_presidio(options.presidio, texts) if options.presidio else texts
    _print_table(numbers, texts, presidio, notify=options.notify)


def _heard(options: argparse.Namespace, numbers: Sequence[ReadOut]) -> list[str]:
    """What the engine writes for each number."""
    kept: Path | None = options.heard
    if kept and kept.exists():
        texts: list[str] = json.loads(kept.read_text())
        return texts
    engine = engine_loaded(argparse.Namespace(config=None), options.engine)
    texts = [engine.transcribe([Utterance(one.samples)])[0].text for one in numbers]
    if kept:
        kept.write_text(json.dumps(texts))
    return texts


def shown_by_presidio(python: str, texts: Sequence[str]) -> list[str]:
    """What Presidio leaves."""
    cases = [Case("", "", "en", (Line(0, tuple(text.split())),)) for text in texts]
    return [
        " ".join(word for at, word in enumerate(case.lines[0].words) if at not in hidden[0])
        for case, hidden in zip(cases, with_presidio(python, cases), strict=True)
    ]


def _print_table(
    numbers: Sequence[ReadOut], texts: Sequence[str], presidio: Sequence[str], *, notify: bool
) -> None:
    masked, total = Counter[tuple[str, str, str]](), Counter[tuple[str, str]]()
    for number, text, by_presidio in zip(numbers, texts, presidio, strict=True):
        ways = {
            "no cue": shown_after("", text),
            "asked for": shown_after(_QUESTIONS[number.kind], text),
            "regular expressions": shown_by_patterns(text),
            "Presidio": by_presidio,
        }
        total[number.kind, number.voice] += 1
        for way, shown in ways.items():
            is_card = number.kind in _SHOWN
            is_masked = (
                len(digits_in(shown)) <= _SHOWN[number.kind]
                if is_card
                else shown != " ".join(text.split())
            )
            masked[number.kind, number.voice, way] += is_masked
            if notify and is_masked != is_card and way in ("no cue", "asked for"):
                print(f"  {number.name}, {way}: {text!r} is shown as {shown!r}")
    print("masked, of numbers     | no cue | asked for | regular expressions | Presidio")
    for kind, voice in sorted(total):
        counts = (
            masked[kind, voice, way]
            for way in ("no cue", "asked for", "regular expressions", "Presidio")
        )
        print(f"{kind:10} {voice:9} {total[kind, voice]:3} | " + " | ".join(map(str, counts)))


if __name__ == "__main__":
    main()
