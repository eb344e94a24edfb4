"""Names of the precisions of the language model."""

from enum import StrEnum


class Precision(StrEnum):
    """The numbers of the matrices of the layers; embeddings, logits and the encoder are never in FP8."""

    FULL = "full"
    """bf16 on a GPU, fp32 on a CPU."""

    FP8 = "fp8"
    """e4m3: half the memory and half the reading of bf16.  Changes texts.  Needs a GPU that has it."""

    FP8_EMULATED = "fp8-emulated"
    """The rounding of `fp8` without its speed, on every machine: shows which texts change."""
