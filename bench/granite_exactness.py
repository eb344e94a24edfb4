"""
Compare the tokens of the Granite engine with those of `generate()` on a folder laid out as the real repository.

    python bench/granite_exactness.py --dtype fp32
    python bench/granite_exactness.py --dtype bf16

Random segments of mixed lengths, languages, tasks and keywords join while others are decoded.  `generate()` decodes
each one alone, in the same data type.  The ways of decoding that are compared:

    plain      steps of exact size, without drafts
    drafts     the same, with drafts that are right at first and then wrong
    fused      our own operators and steps of a few fixed sizes (as CUDA graphs need them), with drafts
    shapes     the same; passes of the encoder and prefills of a few fixed sizes too

Fails if a text differs elsewhere than at a near-tie (near_ties.py); in fp32 differences of a logit are a few 1e-6.
It also prints how far the logits of the engine, and those of transformers in the same data type, are from those of
transformers in fp32 with the same weights.
"""

import argparse
import copy
import random
import shlex
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
sys.path.insert(0, str(Path(__file__).parent.parent))

from support import granite_repository, tiny_granite
from support.recorded import replayed

from bench.near_ties import Answer, Comparison, Distance, LastReference, scored
from bench.recipe import recipe
from bench.vllm_exactness import FIRST_HELP, cases_of, padded, without_end
from workers.engines.base import Utterance
from workers.engines.granite.checkpoint import inspect
from workers.engines.granite.loading import prepared, take_apart
from workers.engines.granite.model import DecoderFactory, LoadedModel
from workers.engines.granite.text.cuda_graphs import GraphStepper
from workers.engines.granite.text.decode import DecodeRow, Written
from workers.engines.granite.text.prefill_graphs import PrefillGraphs
from workers.engines.granite.text.prompts import GRANITE_4_0
from workers.engines.granite.text.stopping import most_tokens
from workers.engines.granite.text.tokenizer import Tokens

_CAPACITY = 640
_AT_ONCE = 6
"""Segments in one pass of the encoder, at most."""

TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def rows_of(parts: LoadedModel, cases: Sequence[Utterance], most: int) -> list[DecodeRow]:
    """One row for each case.  The encoder gets a few of mixed lengths at once."""
    rows: list[DecodeRow] = []
    while len(rows) < len(cases):
        group = cases[len(rows) : len(rows) + _AT_ONCE]
        heard = parts.frontend.encode(parts.frontend.wholes([one.samples for one in group]))
        for one, audio in zip(group, parts.frontend.audio_tokens(heard), strict=True):
            asked = GRANITE_4_0.instruction(
                one.language, one.translate_to, keywords=bool(one.keywords)
            )
            prompt = parts.prompts.prompt(audio, asked, one.keywords)
            longest = min(most, most_tokens(len(one.samples)))
            rows.append(DecodeRow(len(rows), prompt, longest))
    return rows


def decoded(
    factory: DecoderFactory, rows: Sequence[DecodeRow], end: frozenset[int]
) -> list[Answer]:
    """The texts of `rows`, of which some join between any two steps."""
    decoder = factory.decoder(end, cut_loops=False)
    dice, waiting, texts = random.Random(2), list(rows), dict[int, Written]()
    while len(texts) < len(rows):
        joining = min(dice.choice([0, 0, 1, 3]), decoder.free, len(waiting))
        if joining:
            decoder.admit([waiting.pop() for _ in range(joining)])
        texts |= {one.ticket: one for one in decoder.step()}
    return [Answer(texts[row.ticket].tokens, texts[row.ticket].log_probs) for row in rows]


def with_drafts(rows: Sequence[DecodeRow], texts: Sequence[Sequence[int]]) -> list[DecodeRow]:
    """The rows with drafts that begin as the texts do, and go on wrongly."""
    dice = random.Random(8)
    drafts = [(*text[: dice.choice([0, 2, 6, 12])], 3, 4) for text in texts]
    return [
        replace(row, draft=draft[: row.most - 1]) for row, draft in zip(rows, drafts, strict=True)
    ]


def compare(chosen: argparse.Namespace, folder: Path) -> bool:
    """Print one result for each way of decoding.  Returns whether all other texts are near-ties."""
    processor, whole = tiny_granite.reference(folder)
    stock = prepared(copy.deepcopy(whole).to(TYPES[chosen.dtype]), torch.device("cpu"))
    ours = prepared(copy.deepcopy(whole).to(TYPES[chosen.dtype]), torch.device("cpu"))
    parts = take_apart(ours, Tokens.read(inspect(folder).tokenizer))
    stops = tuple(parts.end)
    reference = LastReference(processor, stock, stops)
    cases = cases_of(chosen.cases, chosen.first)
    rows = rows_of(parts, cases, chosen.most)
    heard = [replace(one, samples=padded(one.samples)) for one in cases]
    expected = [
        without_end(Answer(reference.generated(one, row.most), ()), stops)
        for one, row in zip(heard, rows, strict=True)
    ]
    print(f"{len({one.tokens for one in expected})} different texts", flush=True)
    ways = dict(
        _ways(parts, cases, rows, [one.tokens for one in expected], chosen.rows, chosen.most)
    )
    results = {name: Comparison() for name in ways}
    exact = LastReference(processor, whole, stops)
    ours_away, stock_away = Distance(exact), Distance(exact)
    for number, one in enumerate(heard):
        for name, answers in ways.items():
            case = chosen.first + number
            results[name].add(case, one, answers[number], expected[number], reference)
        ours_away.add(one, ways["plain"][number])
        stock_away.add(one, scored(reference, one, expected[number].tokens))
    for name, result in results.items():
        print(f"\n{name}: {result.text()}")
    print(f"\nRMS of the differences of logits from those of transformers in fp32: {ours_away}")
    print(f"the same for transformers in {chosen.dtype}: {stock_away}")
    return all(result.passed for result in results.values())


def _ways(
    parts: LoadedModel,
    cases: Sequence[Utterance],
    rows: Sequence[DecodeRow],
    texts: Sequence[Sequence[int]],
    slots: int,
    most: int,
) -> Iterator[tuple[str, list[Answer]]]:
    """Name and answers of each way of decoding."""
    exact = parts.decoder_factory(slots, _CAPACITY, graphs=False)
    yield "plain", decoded(exact, rows, parts.end)
    drafted = with_drafts(rows, texts)
    yield "drafts", decoded(exact, drafted, parts.end)
    parts.llm.with_operators = True
    cache = parts.llm.cache(slots, _CAPACITY)
    fixed = DecoderFactory(parts.llm, cache, GraphStepper(parts.llm, cache, replayed))
    yield "fused", decoded(fixed, drafted, parts.end)
    parts.frontend.record(replayed)
    prefill = PrefillGraphs(parts.llm, cache, replayed)
    prefill.record_all()
    again = [
        replace(row, draft=old.draft)
        for row, old in zip(rows_of(parts, cases, most), drafted, strict=True)
    ]
    yield "shapes", decoded(replace(fixed, prefill=prefill.prefill), again, parts.end)


@contextmanager
def repository(folder: Path | None) -> Iterator[Path]:
    """`folder`, or a folder laid out as the real repository, with random weights, until the context ends."""
    if folder is not None:
        yield folder
        return
    with tempfile.TemporaryDirectory() as made:
        yield granite_repository.build(Path(made))


def main() -> int:
    """Build the folder unless one is given, and compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folder", type=Path, nargs="?", help="unset: built")
    parser.add_argument("--dtype", choices=sorted(TYPES), default="fp32")
    parser.add_argument("--cases", type=int, default=240)
    parser.add_argument("--first", type=int, default=0, help=FIRST_HELP)
    parser.add_argument("--rows", type=int, default=7, help="segments decoded at the same time")
    parser.add_argument("--most", type=int, default=24, help="longest text in tokens")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, one thread; {recipe()}")
    print(f"command: python bench/granite_exactness.py {shlex.join(sys.argv[1:])}\n")
    with repository(chosen.folder) as folder:
        return 0 if compare(chosen, folder) else 1


if __name__ == "__main__":
    sys.exit(main())
