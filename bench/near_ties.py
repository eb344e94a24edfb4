"""
Whether a text differs from the reference only where two tokens are almost equally likely; for vllm_exactness.py.

If no logit of two implementations differs by more than d, the implementation that computes with other roundings can
choose another token only where the reference prefers its own one by at most 2 d.  d is measured: it is the greatest
difference over all tokens of the texts that are equal.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from support import tiny_granite

from workers.engines.base import Utterance
from workers.engines.granite.text.prompts import GRANITE_4_0

ROUNDING = 1e-4
"""Logits.  Other orders of the sums in fp32 give a few 1e-6 here."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The tokens of a text, without an end token, and the log-probability of each."""

    tokens: tuple[int, ...]
    log_probs: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Reference:
    """Processor and model of transformers."""

    processor: Any
    model: Any
    stops: tuple[int, ...]
    """Tokens at which texts are cut: the end token, and `<|audio|>`, which only a random model writes."""

    @property
    def scale(self) -> float:
        """Divisor of the logits, which transformers does not apply."""
        return float(self.model.config.text_config.logits_scaling)

    def generated(self, one: Utterance, most: int) -> tuple[int, ...]:
        """The text that `generate()` writes for the segment alone."""
        pair = (self.processor, self.model)
        ids = tiny_granite.generated(pair, one.samples, content_of(one), most)
        return tuple(ids)

    def logits(self, one: Utterance, tokens: Sequence[int]) -> torch.Tensor:
        """The logits before each of `tokens` and behind the last: [tokens + 1, vocabulary]."""
        prompt = self.processor.apply_chat_template(
            [{"role": "user", "content": tiny_granite.AUDIO + content_of(one)}], tokenize=False
        )
        inputs = self.processor(prompt, torch.from_numpy(one.samples), return_tensors="pt")
        written = torch.tensor([list(tokens)], dtype=torch.long)
        inputs["input_ids"] = torch.cat([inputs["input_ids"], written], dim=1)
        inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
        with torch.inference_mode():
            logits: torch.Tensor = self.model(**inputs).logits[0, -len(tokens) - 1 :]
        return logits.float()


class LastReference(Reference):
    """Keeps the last logits: several texts of one segment are compared with the same ones."""

    _last: ClassVar[dict[int, tuple[Utterance, tuple[int, ...], torch.Tensor]]] = {}

    def logits(self, one: Utterance, tokens: Sequence[int]) -> torch.Tensor:
        """See Reference."""
        last = self._last.get(id(self))
        if last is not None and last[0] is one and last[1] == tuple(tokens):
            return last[2]
        found = Reference.logits(self, one, tokens)
        self._last[id(self)] = (one, tuple(tokens), found)
        return found


class Distance:
    """Root mean square of the differences of logits from those in fp32."""

    def __init__(self, reference: Reference) -> None:
        """`reference`: transformers in fp32."""
        self._reference = reference
        self._squares: list[float] = []

    def add(self, one: Utterance, answer: Answer) -> None:
        """Compare the log-probabilities of a text with those that the reference gives to its tokens."""
        if not answer.tokens:
            return
        logits = self._reference.logits(one, answer.tokens)[:-1] / self._reference.scale
        asked = torch.tensor(answer.tokens)[:, None]
        exact = logits.log_softmax(-1).gather(1, asked)[:, 0] * self._reference.scale
        mine = torch.tensor(answer.log_probs) * self._reference.scale
        self._squares += (mine - exact).square().tolist()

    def __str__(self) -> str:
        return f"{np.sqrt(np.mean(self._squares or [0.0])):.5f}"


def scored(reference: Reference, one: Utterance, tokens: tuple[int, ...]) -> Answer:
    """The text with the log-probabilities that the reference gives to it."""
    if not tokens:
        return Answer((), ())
    logits = (reference.logits(one, tokens)[:-1] / reference.scale).log_softmax(-1)
    return Answer(tokens, tuple(logits.gather(1, torch.tensor(tokens)[:, None])[:, 0].tolist()))


def content_of(one: Utterance) -> str:
    """What follows the audio in the prompt."""
    asked = GRANITE_4_0.instruction(one.language, one.translate_to, keywords=bool(one.keywords))
    return asked + ", ".join(one.keywords)


@dataclass(frozen=True, slots=True)
class OtherToken:
    """The first token that is another one than the reference's."""

    case: int
    at: int
    gap: float
    """By how much the reference's own token is likelier for the reference, in logits."""

    spread: float
    """Standard deviation of the logits of all tokens there."""

    def text(self, difference: float) -> str:
        """One line for people; `difference`: greatest difference of a logit in equal texts."""
        verdict = "near-tie" if self.is_near_tie(difference) else "NOT a near-tie"
        return (
            f"case {self.case}, token {self.at}: its logit is {self.gap:.5f} below the reference's own; all deviate"
            f" by {self.spread:.3f}; {verdict}"
        )

    def is_near_tie(self, difference: float) -> bool:
        """Whether differences of `difference` in each logit explain the other token."""
        return self.gap <= 2 * difference


@dataclass(slots=True)
class Comparison:
    """The result over all cases."""

    equal: int = 0
    others: list[OtherToken] = field(default_factory=list)
    differences: list[float] = field(default_factory=list)
    """Differences of the logits of chosen tokens in equal texts."""

    deviating: int = 0
    """Texts, equal or not, in which a logit differs by more than rounding in fp32 explains."""

    def add(
        self, case: int, one: Utterance, answer: Answer, expected: Answer, reference: Reference
    ) -> None:
        """Compare one text with that of the reference; `expected.log_probs` is not read."""
        logits = reference.logits(one, expected.tokens)
        if answer.tokens == expected.tokens:
            self.equal += 1
            found = _differences(answer, logits, reference.scale)
            self.differences += found
            self.deviating += max(found, default=0.0) > ROUNDING
            return
        self.deviating += 1
        self.others.append(_other(case, answer, expected, logits, reference.stops))

    @property
    def difference(self) -> float:
        """Greatest difference of a logit in equal texts."""
        return max(self.differences, default=0.0)

    @property
    def passed(self) -> bool:
        """Whether each other text is explained."""
        return all(one.is_near_tie(self.difference) for one in self.others)

    def text(self) -> str:
        """The result for people."""
        half, most = np.percentile(self.differences or [0.0], [50, 99])
        return "\n".join(
            [
                *(one.text(self.difference) for one in self.others),
                f"{self.equal} equal, {len(self.others)} other; logits of the {len(self.differences)} tokens of"
                f" equal texts differ by {half:.6f} (median), {most:.6f} (99 %), {self.difference:.6f} (greatest)",
                f"{self.deviating} texts with a logit that differs by more than {ROUNDING:g}",
            ]
        )


def _differences(answer: Answer, logits: torch.Tensor, scale: float) -> list[float]:
    expected = torch.log_softmax(logits[:-1] / scale, -1)
    chosen = expected.gather(-1, torch.tensor(answer.tokens, dtype=torch.long)[:, None])[:, 0]
    return [
        abs(float(mine) - theirs) * scale
        for mine, theirs in zip(chosen, answer.log_probs, strict=True)
    ]


def _other(
    case: int, answer: Answer, expected: Answer, logits: torch.Tensor, stops: Sequence[int]
) -> OtherToken:
    """The first other token.  A text that ends there has the likeliest of the tokens `stops`."""
    shorter = min(len(answer.tokens), len(expected.tokens))
    at = next((at for at in range(shorter) if answer.tokens[at] != expected.tokens[at]), shorter)
    stop = max(stops, key=lambda one: float(logits[at, one]))
    mine, theirs = ((*text.tokens, stop)[at] for text in (expected, answer))
    return OtherToken(
        case, at, float(logits[at, mine] - logits[at, theirs]), float(logits[at].std())
    )
