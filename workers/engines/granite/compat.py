"""
Where the parts of a loaded model are: transformers has moved them.

Up to 5.3 or so the encoder and a whole causal model hang on the class itself; later a body holds encoder, projector
and decoder, and the head stands beside it.  Everything else asks here.
"""

# ruff: noqa: ANN401 - torch and transformers are an optional extra: their models have no types here

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Anatomy:
    """The modules of one GraniteSpeechForConditionalGeneration."""

    listener: Any
    """Has `encoder` and `projector`."""

    decoder: Any
    """The language model without its head."""

    head: Any
    config: Any


def anatomy_of(model: Any) -> Anatomy:
    """The parts of `model`, wherever this version of transformers keeps them."""
    if hasattr(model, "lm_head"):
        return Anatomy(model.model, model.model.language_model, model.lm_head, model.config)
    whole = model.language_model
    return Anatomy(model, whole.model, whole.lm_head, model.config)
