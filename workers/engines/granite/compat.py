"""
Finds the parts of a loaded model, which differ between versions of transformers.

Up to about 5.3, the encoder and a whole causal model are attributes of the class itself.  In later versions a body
holds encoder, projector and decoder, and the head is next to it.  All other modules use this one.
"""

# ruff: noqa: ANN401 - torch and transformers are an optional extra: their models have no types here

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True, slots=True)
class ModelModules:
    """The modules of one GraniteSpeechForConditionalGeneration."""

    acoustic: Any
    """Has `encoder` and `projector`."""

    decoder: Any
    """The language model without its head."""

    head: Any
    config: Any


def modules_of(model: Any) -> ModelModules:
    """The parts of `model`, for every supported version of transformers."""
    if hasattr(model, "lm_head"):
        return ModelModules(model.model, model.model.language_model, model.lm_head, model.config)
    whole = model.language_model
    return ModelModules(model, whole.model, whole.lm_head, model.config)


def joined(linears: Sequence[Any]) -> torch.Tensor:
    """One matrix of the weights of several linear modules, which become views of it."""
    sizes = [linear.weight.shape[0] for linear in linears]
    made = torch.cat([linear.weight.detach() for linear in linears])
    for linear, part in zip(linears, made.split(sizes), strict=True):
        linear.weight.data = part
    return made
