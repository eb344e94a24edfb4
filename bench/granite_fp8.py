"""
How many texts of the Granite engine change with FP8, on a folder laid out as the real repository.

    python bench/granite_fp8.py                 # random weights, built here
    python bench/granite_fp8.py FOLDER          # a model of yours

Each random segment is decoded in full precision and with the rounding of FP8 (`precision = "fp8-emulated"`), which
needs no GPU.  Of random weights the texts say little: their likeliest token is hardly likelier than the next one.
The error of a logit says more; it is given beside the margin of the likeliest token.  With real weights and real
speech, compare word error rates: bench/wer.py with `--option precision=fp8-emulated`.
"""

import argparse
import copy
import shlex
import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
sys.path.insert(0, str(Path(__file__).parent.parent))

from support import tiny_granite

from bench.granite_exactness import decoded, repository, rows_of
from bench.recipe import recipe
from bench.vllm_exactness import cases_of
from workers.engines.granite.checkpoint import inspect
from workers.engines.granite.loading import prepared, take_apart
from workers.engines.granite.model import LoadedModel
from workers.engines.granite.text.precision import Precision
from workers.engines.granite.text.tokenizer import Tokens

_CAPACITY = 640


def first_logits(parts: LoadedModel, prompts: list[torch.Tensor]) -> torch.Tensor:
    """The logits of the first token of each text: [prompts, vocabulary]."""
    cache = parts.llm.cache(1, _CAPACITY)
    with torch.inference_mode():
        last = [parts.llm.prefill([one], range(1), cache)[0][-1:] for one in prompts]
        return parts.llm.logits(torch.cat(last))


def compare(folder: Path, count: int, most: int) -> None:
    """Print the difference between full precision and FP8."""
    _, whole = tiny_granite.reference(folder)
    tokens = Tokens.read(inspect(folder).tokenizer)
    full, eighth = (
        take_apart(prepared(copy.deepcopy(whole), torch.device("cpu")), tokens, precision)
        for precision in (Precision.FULL, Precision.FP8_EMULATED)
    )
    rows = rows_of(full, cases_of(count), most)
    before, after = (
        decoded(parts.decoder_factory(7, _CAPACITY, graphs=False), rows, parts.end)
        for parts in (full, eighth)
    )
    changed = sum(one.tokens != other.tokens for one, other in zip(before, after, strict=True))
    first = sum(
        one.tokens[:1] != other.tokens[:1] for one, other in zip(before, after, strict=True)
    )
    exact, rounded = (first_logits(parts, [row.prompt for row in rows]) for parts in (full, eighth))
    margins = exact.topk(2).values.diff().abs().numpy()
    away = float((rounded - exact).square().mean().sqrt())
    print(
        f"{changed} of {count} texts change (at most {most} tokens), {first} in their first token"
    )
    print(
        f"first tokens: logits change by {away:.4f} (RMS; their standard deviation is {float(exact.std()):.4f});"
        f" median margin of the likeliest one {np.median(margins):.4f}"
    )


def main() -> None:
    """Build the folder unless one is given, and compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folder", type=Path, nargs="?", help="unset: built")
    parser.add_argument("--cases", type=int, default=60)
    parser.add_argument("--most", type=int, default=12, help="longest text in tokens")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, one thread; {recipe()}")
    print(f"command: python bench/granite_fp8.py {shlex.join(sys.argv[1:])}\n")
    with repository(chosen.folder) as folder:
        compare(folder, chosen.cases, chosen.most)


if __name__ == "__main__":
    main()
