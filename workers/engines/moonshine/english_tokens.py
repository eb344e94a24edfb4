"""
The part of Moonshine's vocabulary that its English model writes.  Pure.

The vocabulary is that of a multilingual language model: one token in five is Cyrillic, Chinese or another script,
or has no piece at all.  Each run of the decoder computes a logit for every token, from a third of all its weights.
So the graph and the vocabulary leave out those tokens.  The others keep their order, which byte pair encoding
needs, and are numbered anew.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from .onnx_format import Graph

BYTES_END = 259
"""Tokens 0 to 2 are control tokens; then come the 256 bytes, of which any sign can be written."""

_LAST_LATIN = "\xff"
_OTHERS = frozenset("▁–—‘’“”…€")


def english(pieces: Sequence[bytes]) -> list[int]:
    """The tokens that are kept, in order.  `pieces`: the bytes of each token of the whole vocabulary."""
    return [
        token
        for token, piece in enumerate(pieces)
        if token < BYTES_END or all(map(_is_english, piece.decode(errors="replace")))
    ]


def with_tokens(graph: Graph, tokens: Sequence[int]) -> Graph:
    """The decoder's graph with the embeddings and logits of `tokens` only, in their order."""
    embeddings = next(
        node.input[0]
        for node in graph.nodes
        if node.op_type == "Gather" and node.input[1] == "input_ids"
    )
    size = len(graph.values[embeddings])
    values = {name: _only(value, size, tokens) for name, value in graph.values.items()}
    return replace(graph, values=values)


def _only(value: npt.NDArray[Any], size: int, tokens: Sequence[int]) -> npt.NDArray[Any]:
    """`value` with `tokens` only along each axis of the vocabulary's `size`."""
    for axis in [axis for axis, length in enumerate(value.shape) if length == size]:
        value = np.ascontiguousarray(value.take(tokens, axis))
    return value


def _is_english(sign: str) -> bool:
    """Whether English text may have a sign: letters of names such as "José" too."""
    return sign <= _LAST_LATIN or sign in _OTHERS
