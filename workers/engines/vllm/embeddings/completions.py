"""
The messages of vLLM's completion interface with embeddings for a prompt.  Pure.

The server multiplies the embeddings by the model's `embedding_multiplier` itself, and divides the logits behind its
log-probabilities by `logits_scaling`.
"""

import base64
import io
import math
from dataclasses import dataclass
from typing import Any

import torch

from ...granite.text.decode import DecodeRow, Written
from ...granite.text.stopping import StoppingRule, stop_reason
from ..chat import ChatError


@dataclass(frozen=True, slots=True)
class Completion:
    """The tokens of an answer, with their log-probabilities."""

    tokens: tuple[int, ...]
    log_probs: tuple[float, ...]


def request(row: DecodeRow, model: str, end: frozenset[int]) -> dict[str, Any]:
    """
    The body of a request: greedy decoding of at most `row.most` tokens, up to one of the tokens `end`.

    A draft is not sent: the interface has no place for one.
    """
    return {
        "model": model, "prompt_embeds": encoded(row.prompt), "max_tokens": row.most, "temperature": 0.0,
        "stop_token_ids": sorted(end), "logprobs": 0, "return_token_ids": True, "stream": False,
    }  # fmt: skip


def encoded(prompt: torch.Tensor) -> str:
    """Embeddings [tokens, hidden] as the server reads them: the file format of torch, in base64."""
    with io.BytesIO() as made:
        torch.save(prompt.detach().cpu().clone(), made)
        return base64.b64encode(made.getvalue()).decode()


def read(document: object) -> Completion:
    """Read the body of an answer.  Raises ChatError when it is none."""
    try:
        choice = document["choices"][0]  # type: ignore[index]  # any other shape raises
        tokens = tuple(map(_token, choice["token_ids"]))
        log_probs = tuple(map(_log_prob, choice["logprobs"]["token_logprobs"]))
    except (KeyError, IndexError, TypeError, ValueError, OverflowError) as exc:
        raise ChatError(f"an answer of another form ({type(exc).__name__})") from exc
    if len(tokens) != len(log_probs) or not tokens:
        raise ChatError(f"{len(tokens)} tokens with {len(log_probs)} log-probabilities")
    return Completion(tokens, log_probs)


def _token(value: object) -> int:
    if type(value) is not int or value < 0:
        raise TypeError
    return value


def _log_prob(value: Any) -> float:  # noqa: ANN401 - any JSON
    found = float(value)
    if math.isnan(found):
        raise ValueError
    return found


def written(row: DecodeRow, answer: Completion, end: frozenset[int], *, cut_loops: bool) -> Written:
    """The finished text of a row, by the same rules as decoding in the worker."""
    kept, ending = len(answer.tokens), StoppingRule.SAID
    for count in range(1, len(answer.tokens) + 1):
        reason = stop_reason(answer.tokens[:count], end, row.most, cut_loops=cut_loops)
        if reason is not None:
            kept, ending = reason.kept, reason.ending
            break
    return Written(row.ticket, answer.tokens[:kept], answer.log_probs[:kept], ending)
