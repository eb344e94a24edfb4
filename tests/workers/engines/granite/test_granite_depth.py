"""
At the depth of the real model each token is the one that the reference would write, in fp32 and in bf16.

The reference reads prompt and text in one pass, so that each token is compared with its likeliest next token.  In
bf16, sums are rounded: there a token may be a little less likely than the best one.  The number of cases is small
here; `TRUNKLINE_TEST_CASES=240` runs more.
"""

import copy
import os
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

tiny_granite = pytest.importorskip("support.tiny_granite")
torch = tiny_granite.torch

from workers.engines.granite.loading import prepared, take_apart  # noqa: E402 - needs the optional extra
from workers.engines.granite.text.decode import DecodeRow, Written  # noqa: E402
from workers.engines.granite.text.prompts import GRANITE_4_0  # noqa: E402

CASES = int(os.environ.get("TRUNKLINE_TEST_CASES", "24"))
MOST = 7
SLOTS = 6
TERMS = ("Ann", "Łódź", "O'Brien & Sons", "A-4711")
TASKS = [("en", None), ("fr", None), ("ja", None), ("en", "fr"), ("es", "en"), ("en", "zh")]

TOLERANCE = {torch.float32: 0.0, torch.bfloat16: 0.25}
"""Logits, before they are divided by 8: by how much the best token may be better.  One step of bf16 at 32 is 0.25."""


@dataclass(frozen=True)
class Case:
    samples: Any
    instruction: str
    keywords: tuple[str, ...]


def cases() -> list[Case]:
    dice = random.Random(5)
    made = []
    for number in range(CASES):
        keywords = tuple(dice.sample(TERMS, dice.choice([0, 0, 1, 3])))
        asked = GRANITE_4_0.instruction(*dice.choice(TASKS), keywords=bool(keywords))
        samples = tiny_granite.babble(dice.choice([0.3, 0.7, 1.31, 2.2, 4.1]), number)
        made.append(Case(samples, asked, keywords))
    return made


def rows_of(parts: Any, made: Sequence[Case]) -> list[DecodeRow]:
    frontend, prompts = parts.frontend, parts.prompts
    heard = frontend.encode(frontend.wholes([case.samples for case in made]))
    return [
        DecodeRow(number, prompts.prompt(audio, case.instruction, case.keywords), MOST)
        for number, (case, audio) in enumerate(zip(made, frontend.audio_tokens(heard), strict=True))
    ]


def decoded(parts: Any, rows: Sequence[DecodeRow]) -> dict[int, Written]:
    """The texts of `rows`, of which some join between any two steps."""
    decoder = parts.decoder_factory(SLOTS, 512, graphs=False).decoder(parts.end, cut_loops=False)
    dice, waiting, texts = random.Random(2), list(rows), dict[int, Written]()
    while len(texts) < len(rows):
        joining = min(dice.choice([0, 1, 3]), decoder.free, len(waiting))
        if joining:
            decoder.admit([waiting.pop() for _ in range(joining)])
        texts |= {one.ticket: one for one in decoder.step()}
    return texts


class Reference:
    """The reference implementation.  It reads each text once, however often the text was written."""

    def __init__(self, vendor: Any) -> None:
        self._vendor = vendor
        self._known: dict[tuple[int, tuple[int, ...]], float] = {}

    def shortfall(self, made: Sequence[Case], text: Written) -> float:
        """By how much it finds a token of the text worse than the best one at its place, at most."""
        key = (text.ticket, tuple(text.tokens))
        if key not in self._known:
            self._known[key] = shortfall(self._vendor, made[text.ticket], text.tokens)
        return self._known[key]


@pytest.fixture(scope="module")
def reference(repository_vendor: Any) -> Reference:
    return Reference(repository_vendor)


def shortfall(vendor: Any, case: Case, tokens: Sequence[int]) -> float:
    content = case.instruction + ", ".join(case.keywords)
    asked = tiny_granite.next_logits(vendor, case.samples, content, tokens)
    text = torch.tensor(tokens)
    return float((asked.max(-1).values - asked.gather(1, text[:, None])[:, 0]).max())


@pytest.mark.parametrize("dtype", TOLERANCE, ids=["fp32", "bf16"])
def test_each_token_is_the_reference_s_in_ragged_batches_with_and_without_drafts(
    repository_vendor: Any, repository_parts: Any, reference: Reference, dtype: Any
) -> None:
    # given
    model = prepared(copy.deepcopy(repository_vendor[1]).to(dtype), torch.device("cpu"))
    parts = take_apart(model, repository_parts.prompts.tokens)
    made = cases()

    # when: once without drafts, and once with drafts that are right at first
    rows, dice = rows_of(parts, made), random.Random(8)
    plain = decoded(parts, rows)
    drafts = [
        (*plain[row.ticket].tokens[: dice.choice([0, 2, 6])], 3, 4)[: MOST - 1] for row in rows
    ]
    drafted = decoded(
        parts, [replace(row, draft=draft) for row, draft in zip(rows, drafts, strict=True)]
    )

    # then
    for texts in (plain, drafted):
        assert len(texts) == CASES
        assert max(reference.shortfall(made, one) for one in texts.values()) <= TOLERANCE[dtype]
    assert sum(one.accepted for one in drafted.values()) >= CASES
    assert len({one.tokens for one in plain.values()}) >= 10  # the random model listens
