"""
Measure redaction on the test set: recall of card numbers and security codes, and numbers masked by mistake.

    python bench/redaction.py [--each 500] [--presidio PYTHON] [--write FILE]

`--presidio`: an interpreter with presidio-analyzer and a spaCy model (see docs/redaction.md). `--write`: write the
set as JSON lines.
"""

import argparse
import json
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.redaction_set.case import Case
from bench.redaction_set.cases import all_cases
from protocol.calls.text_form import AS_HEARD, AS_WRITTEN, TextForm
from protocol.events import Final, SegmentId, Span, Timing, Word
from protocol.formatting.formatter import formatted
from protocol.formatting.writers.digit_strings import load_countries
from protocol.redaction.call_state import CallState
from protocol.redaction.policy import CARD_DATA_POLICY
from protocol.redaction.redactor import RecognisedText, redact
from workers.text.redaction import redacted_final

Hidden = list[set[int]]
"""For each line of a case, the indices of its masked words."""

_PLAIN = re.compile(
    r"\b(?:\d[ -]?){12,18}\d\b|(?<=cvv )\d{3,4}\b|(?<=cvc )\d{3,4}\b|(?<=security code is )\d{3,4}\b",
    re.I,
)
"""What is usually written for card numbers and codes."""


def ours(case: Case) -> Hidden:
    """What Trunkline masks, after the last line."""
    state, counts = CallState(), Counter[int]()
    hidden: dict[SegmentId, set[int]] = {}
    for place, line in enumerate(case.lines):
        segment = SegmentId(line.channel, counts[line.channel])
        counts[line.channel] += 1
        span = Span(place * 24_000, place * 24_000 + 16_000)
        result = redact(
            state, RecognisedText(segment, span, line.words, case.language), CARD_DATA_POLICY
        )
        state = result.state
        hidden[segment] = {at for mask in result.masks for at in range(mask.first, mask.last + 1)}
        for revision in result.revisions:
            shown = [
                at
                for at in range(len(_line_of(case, revision.segment)))
                if at not in hidden[revision.segment]
            ]
            extra = _revised(
                hidden[revision.segment], shown, revision.mask.first, revision.mask.last
            )
            hidden[revision.segment] |= extra
    return list(hidden.values())


def _line_of(case: Case, segment: SegmentId) -> Sequence[str]:
    return [line for line in case.lines if line.channel == segment.channel][segment.number].words


def _revised(hidden: set[int], shown: Sequence[int], first: int, last: int) -> set[int]:
    """Indices of the words at the places `first` to `last` of what is shown, tags included."""
    places: list[int] = []
    end = (max([*hidden, *shown], default=-1)) + 1
    at = 0
    while at < end:
        places.append(at)
        while at in hidden and at + 1 in hidden:
            at += 1
        at += 1
    return set(range(places[first], places[last] + 1))


def plain(case: Case) -> Hidden:
    """What plain regular expressions mask."""
    return [plain_spans(line.words) for line in case.lines]


def plain_spans(words: Sequence[str]) -> set[int]:
    """Indices of the words that plain regular expressions mask."""
    return _by_spans(words, [m.span() for m in _PLAIN.finditer(" ".join(words))])


def _by_spans(words: Sequence[str], spans: Iterable[tuple[int, int]]) -> set[int]:
    hidden, at = set[int](), 0
    spans = list(spans)
    for place, word in enumerate(words):
        if any(start <= at and at + len(word.rstrip(",.")) <= end for start, end in spans):
            hidden.add(place)
        at += len(word) + 1
    return hidden


def is_found(case: Case, hidden: Hidden) -> bool:
    """Whether all words of the secret are masked."""
    return all(
        set(range(*line.secret)) - {line.unsure} <= there
        for line, there in zip(case.lines, hidden, strict=True)
        if line.secret
    )


def table(cases: Sequence[Case], results: Sequence[Hidden]) -> list[str]:
    """The rows of the results by kind and language, in percent."""
    found, total = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for case, hidden in zip(cases, results, strict=True):
        is_miss = not case.kind.startswith(("card", "code"))
        good = any(hidden) if is_miss else is_found(case, hidden)
        for key in ((case.kind, case.language), (case.kind, "all")):
            total[key] += 1
            found[key] += good
        if is_miss:
            total["near misses", case.language] += 1
            found["near misses", case.language] += good
            total["near misses", "all"] += 1
            found["near misses", "all"] += good
    languages = [*sorted({case.language for case in cases}), "all"]
    kinds = list(dict.fromkeys(kind for kind, _ in total))
    return [
        f"| {kind} | " + " | ".join(_percent(found, total, kind, one) for one in languages) + " |"
        for kind in kinds
    ]


def _percent(
    found: Counter[tuple[str, str]], total: Counter[tuple[str, str]], kind: str, language: str
) -> str:
    return f"{100 * found[kind, language] / max(1, total[kind, language]):.1f}"


def with_presidio(python: str, cases: Sequence[Case]) -> list[Hidden]:
    """What Presidio masks; runs in its own environment."""
    texts = [[" ".join(line.words) for line in case.lines] for case in cases]
    script = Path(__file__).with_name("redaction_presidio.py")
    done = subprocess.run(
        [python, str(script)], input=json.dumps(texts), capture_output=True, text=True, check=True
    )
    return [
        [_by_spans(line.words, spans) for line, spans in zip(case.lines, of_case, strict=True)]
        for case, of_case in zip(cases, json.loads(done.stdout), strict=True)
    ]


def _timed(
    way: Callable[[Case], Hidden], cases: Sequence[Case]
) -> tuple[list[Hidden], list[float]]:
    results, seconds = [], []
    for case in cases:
        began = time.process_time()
        results.append(way(case))
        seconds.append((time.process_time() - began) / len(case.lines))
    return results, sorted(seconds)


def worker_cost(cases: Sequence[Case], form: TextForm) -> list[float]:
    """CPU seconds that redaction and formatting add to each final in the worker, sorted."""
    seconds = []
    for case in cases:
        state, counts = b"", Counter[int]()
        for place, line in enumerate(case.lines):
            segment = SegmentId(line.channel, counts[line.channel])
            counts[line.channel] += 1
            span = Span(place * 24_000, place * 24_000 + 16_000)
            words = tuple(map(Word, line.words))
            final = Final(segment, span, words, case.language, 0, (), "bench", Timing(0, 0))
            began = time.process_time()
            result = redacted_final(final, CARD_DATA_POLICY, state)
            if form.changes_words:
                formatted(result.final, form)
            seconds.append(time.process_time() - began)
            state = result.state
    return sorted(seconds)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("--each", type=int, default=500)
    parser.add_argument("--presidio", default="")
    parser.add_argument("--write", type=Path)
    parser.add_argument("--missed", action="store_true", help="print the cases with a wrong result")
    args = parser.parse_args()
    cases = list(all_cases(each=args.each))
    load_countries()
    if args.write:
        args.write.write_text(
            "".join(json.dumps(asdict(case), ensure_ascii=False) + "\n" for case in cases)
        )
    results, seconds = _timed(ours, cases)
    languages = [*sorted({case.language for case in cases}), "all"]
    print("| kind | " + " | ".join(languages) + " |")
    print("\n".join(table(cases, results)))
    _print_cost("redaction alone", seconds)
    for name, form in (("worker", AS_HEARD), ("worker, formatted", AS_WRITTEN)):
        _print_cost(name, worker_cost(cases, form))
    if args.missed:
        _print_missed(cases, results)
    print("plain regular expressions")
    print("\n".join(table(cases, [plain(case) for case in cases])))
    if args.presidio:
        print("Presidio")
        print("\n".join(table(cases, with_presidio(args.presidio, cases))))


def _print_cost(name: str, seconds: Sequence[float]) -> None:
    middle, late = (1e3 * seconds[len(seconds) * part // 100] for part in (50, 99))
    print(f"CPU ms for a final, {name}: median {middle:.2f}, p99 {late:.2f}")


def _print_missed(cases: Sequence[Case], results: Sequence[Hidden]) -> None:
    for case, hidden in zip(cases, results, strict=True):
        is_miss = not case.kind.startswith(("card", "code"))
        if any(hidden) if is_miss else not is_found(case, hidden):
            lines = [
                " ".join("#" if at in there else word for at, word in enumerate(line.words))
                for line, there in zip(case.lines, hidden, strict=True)
            ]
            print(case.language, case.kind, case.style, "//".join(lines))


if __name__ == "__main__":
    main()
