"""The attention of a decode step in torch.  Positions, angles and mask are made once for all layers of a step."""

from dataclasses import dataclass

import torch
from torch.nn import functional


@dataclass(frozen=True, slots=True)
class StepPlaces:
    """What all layers of one decode step share."""

    angles: tuple[torch.Tensor, torch.Tensor]
    """Cosines and sines of the positions, each [rows, 1, size]."""

    cached: torch.Tensor
    """[rows]: row * capacity + position."""

    mask: torch.Tensor
    """What attention adds to its scores: minus infinity behind the position of each row, [rows, 1, 1, width]."""

    @classmethod
    def of(
        cls,
        cos: torch.Tensor,
        sin: torch.Tensor,
        positions: torch.Tensor,
        width: int,
        capacity: int,
    ) -> "StepPlaces":
        """The places of the first rows of a cache with `capacity` columns."""
        rows = torch.arange(len(positions), device=positions.device)
        angles = [half.index_select(0, positions)[:, None, :] for half in (cos, sin)]
        behind = torch.arange(width, device=positions.device) > positions[:, None]
        mask = cos.new_zeros(()).masked_fill(behind[:, None, None, :], -torch.inf)
        return cls((angles[0], angles[1]), rows * capacity + positions, mask)


def attend(
    heads: torch.Tensor, places: StepPlaces, keys: torch.Tensor, values: torch.Tensor, scale: float
) -> torch.Tensor:
    """
    See operators.attend_step.

    Query heads that share a key head are passed as if they were a sequence of queries, so that the cache need not
    be copied.
    """
    rows, _, size = heads.shape
    width, key_heads = places.mask.shape[-1], keys.shape[2]
    queries = turn_and_store(heads, places.angles, places.cached, keys, values)
    heard = functional.scaled_dot_product_attention(
        queries.reshape(rows, key_heads, -1, size),
        keys[:rows, :width].transpose(1, 2), values[:rows, :width].transpose(1, 2),
        attn_mask=places.mask, scale=scale,
    )  # fmt: skip
    return heard.flatten(1)


def turn_and_store(
    heads: torch.Tensor, angles: tuple[torch.Tensor, torch.Tensor], cached: torch.Tensor,
    keys: torch.Tensor, values: torch.Tensor,
) -> torch.Tensor:  # fmt: skip
    """
    Turn queries and keys of `heads` [tokens, heads, size], and write keys and values into the cache of one layer.

    `cached`: slot * capacity + column of each token.  Returns the queries, [tokens, query heads, size].
    """
    count, key_heads = heads.shape[1], keys.shape[2]
    seen = turned(heads[:, : count - key_heads], angles)
    keys.flatten(0, 1).index_copy_(0, cached, seen[:, count - 2 * key_heads :])
    values.flatten(0, 1).index_copy_(0, cached, heads[:, count - key_heads :])
    return seen[:, : count - 2 * key_heads]


def turned(heads: torch.Tensor, angles: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """Turn `heads` [tokens, heads, size] by cosines and sines of `Rotary`, each [tokens, 1, size]."""
    cos, sin = angles
    return torch.addcmul(heads * cos, heads.roll(heads.shape[-1] // 2, -1), sin)
