"""
The times of tokens, from the cross-attention of the decoder.

Some heads of the decoder look at the audio of the token that they predict next (Radford et al., "Robust Speech
Recognition via Large-Scale Weak Supervision", 2022, find word times in this way).  `bench/word_times.py --heads`
measures which heads do.  Pure.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

LAYERS = (4, 5, 6)
"""The layers whose attentions `constant_folding` adds to the outputs of `step.onnx`."""

ATTENTIONS = tuple(f"cross_attentions.{layer}" for layer in LAYERS)
"""The names of these outputs: float32, `[rows, heads, tokens, frames]`."""

_HEADS = ((4, 2), (5, 3), (5, 5), (5, 6), (6, 0), (6, 1), (6, 4), (6, 5))
"""(layer, head) of the eight heads that point at the predicted word most often, in 66 to 94 % of the cases."""

FRAME = 384
"""Samples at 16 kHz that one frame of the encoder stands for (24 ms)."""

_FLOOR = 0.01
"""Added to each attention: a head that looks elsewhere has a bounded weight."""


def token_boundaries(
    attentions: Sequence[Sequence[npt.NDArray[np.float32]]], samples: int
) -> list[int]:
    """
    Where each token starts, and at last where the last one ends, in samples.

    `attentions`: before each token, and before the end, of each of LAYERS: `[heads, frames]`.  `samples`: length of
    the audio.  Returns one more than `attentions`, rising.
    """
    chosen = [
        [layers[LAYERS.index(layer)][head] for layer, head in _HEADS] for layers in attentions
    ]
    scores = np.log(np.mean(chosen, axis=1) + _FLOOR)
    tokens, frames = scores.shape
    if tokens > frames:  # no speech is as fast
        return [samples * token // tokens for token in range(tokens + 1)]
    return [min(frame * FRAME, samples) for frame in (*best_path(scores), frames)]


def best_path(scores: npt.NDArray[np.float32]) -> list[int]:
    """
    First frame of each token on the path with the highest sum of `scores` (`[tokens, frames]`, tokens <= frames).

    The path gives each frame to one token, each token at least one frame, and keeps the order: dynamic time warping
    in which a frame belongs to a single token.
    """
    tokens, frames = scores.shape
    moved = np.zeros((frames, tokens), dtype=bool)
    best = np.full(tokens, -np.inf)
    best[0] = scores[0, 0]
    for frame in range(1, frames):
        before = np.concatenate([[-np.inf], best[:-1]])
        moved[frame] = before > best
        best = np.maximum(before, best) + scores[:, frame]
    token, starts = tokens - 1, [0] * tokens
    for frame in range(frames - 1, 0, -1):
        if moved[frame, token]:
            starts[token] = frame
            token -= 1
    return starts
