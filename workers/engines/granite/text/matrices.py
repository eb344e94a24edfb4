"""The matrices of the language model, in the precision of the settings."""

from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch.nn import functional

from ..kernels.fp8 import product, quantised, rounded
from .precision import Precision


class Matrix(Protocol):
    """A matrix [outputs, inputs] as `torch.nn.Linear` has it."""

    def times(self, hidden: torch.Tensor) -> torch.Tensor:
        """`hidden` [tokens, inputs] to [tokens, outputs]."""
        ...

    def added(self, onto: torch.Tensor, hidden: torch.Tensor, factor: float) -> torch.Tensor:
        """`onto` [tokens, outputs] + factor * `times(hidden)`."""
        ...


@dataclass(frozen=True, slots=True)
class FullMatrix:
    """A matrix in the precision of its model."""

    weight: torch.Tensor = field(repr=False)

    def times(self, hidden: torch.Tensor) -> torch.Tensor:
        """See Matrix."""
        return functional.linear(hidden, self.weight)

    def added(self, onto: torch.Tensor, hidden: torch.Tensor, factor: float) -> torch.Tensor:
        """See Matrix.  One kernel."""
        return torch.addmm(onto, hidden, self.weight.t(), alpha=factor)


@dataclass(frozen=True, slots=True)
class Fp8Matrix:
    """A matrix in FP8, with one scale for each output: see kernels/fp8.py."""

    values: torch.Tensor = field(repr=False)
    scale: torch.Tensor = field(repr=False)

    def times(self, hidden: torch.Tensor) -> torch.Tensor:
        """See Matrix."""
        return product(hidden, self.values, self.scale).to(hidden.dtype)

    def added(self, onto: torch.Tensor, hidden: torch.Tensor, factor: float) -> torch.Tensor:
        """See Matrix."""
        return torch.add(onto, self.times(hidden), alpha=factor)


@dataclass(frozen=True, slots=True)
class EmulatedFp8Matrix:
    """The same rounding of weights and inputs, with the products in the model's own type."""

    weight: torch.Tensor = field(repr=False)
    """After rounding to FP8 and back."""

    def times(self, hidden: torch.Tensor) -> torch.Tensor:
        """See Matrix."""
        return functional.linear(rounded(hidden), self.weight)

    def added(self, onto: torch.Tensor, hidden: torch.Tensor, factor: float) -> torch.Tensor:
        """See Matrix."""
        return torch.addmm(onto, rounded(hidden), self.weight.t(), alpha=factor)


def matrix_of(weight: torch.Tensor, precision: Precision) -> Matrix:
    """The matrix `weight` [outputs, inputs] in `precision`."""
    match precision:
        case Precision.FULL:
            return FullMatrix(weight)
        case Precision.FP8:
            return Fp8Matrix(*quantised(weight))
        case Precision.FP8_EMULATED:
            return EmulatedFp8Matrix(rounded(weight))
