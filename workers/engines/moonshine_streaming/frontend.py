"""
The first part of the encoder: frames of 5 ms, and two causal convolutions of stride 2, so 50 vectors a second.

Each output depends on the audio before it only.  What the convolutions still need of it is the state, so audio that
comes in pieces gives the same vectors as the whole.
"""

# ruff: noqa: ANN401 - transformers is an optional extra: its models have no types here

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

_KERNEL, _STRIDE = 5, 2


@dataclass(frozen=True, slots=True)
class FrontendState:
    """What the next audio needs of the audio before it."""

    rest: Tensor = field(repr=False)
    """Samples of the frame that is not complete yet, `[n]`."""

    frames: Tensor = field(repr=False)
    """Inputs of the first convolution that it still needs, `[width, n]`; zeros before the beginning."""

    halves: Tensor = field(repr=False)
    """The same of the second one."""


class StreamingFrontend:
    """The embedder of a loaded encoder, for audio in pieces."""

    def __init__(self, embedder: Any) -> None:
        self._embedder = embedder
        self._frame = int(embedder.frame_len)

    @property
    def samples_per_vector(self) -> int:
        """Samples from one output to the next: 320."""
        return self._frame * _STRIDE * _STRIDE

    def start(self) -> FrontendState:
        """The state before the first sample."""
        first, second = self._embedder.conv1, self._embedder.conv2
        before = _KERNEL - 1
        return FrontendState(
            torch.zeros(0),
            torch.zeros(first.in_channels, before),
            torch.zeros(second.in_channels, before),
        )

    def advance(self, state: FrontendState, samples: Tensor) -> tuple[Tensor, FrontendState]:
        """The vectors that became known with more `samples` (`[n]`): `[vectors, width]`, and the new state."""
        audio = torch.cat([state.rest, samples])
        complete = len(audio) // self._frame * self._frame
        frames = self._frames(audio[:complete])
        return self._convolved(state, frames, audio[complete:].clone())

    def finish(self, state: FrontendState, samples: Tensor) -> Tensor:
        """
        The vectors that remain if the audio ends with `samples`, `[vectors, width]`.

        A last frame that is not complete counts as zeros behind the frames: the vendor's mask has this effect.
        """
        vectors, after = self.advance(state, samples)
        heard_any = bool(len(vectors)) or bool(after.frames.any())
        if not len(after.rest) or not heard_any:
            return vectors
        silent = torch.zeros(after.frames.shape[0], 1)
        more, _ = self._convolved(after, silent, torch.zeros(0))
        return torch.cat([vectors, more])

    def _frames(self, samples: Tensor) -> Tensor:
        """The features of whole frames, `[width, frames]`."""
        framed = samples.reshape(-1, self._frame)
        parts = self._embedder
        return functional.silu(parts.linear(parts.comp(parts.cmvn(framed)))).T

    def _convolved(
        self, state: FrontendState, frames: Tensor, rest: Tensor
    ) -> tuple[Tensor, FrontendState]:
        first, frames_left = _strided(self._embedder.conv1, torch.cat([state.frames, frames], 1))
        halves = torch.cat([state.halves, functional.silu(first)], 1)
        second, halves_left = _strided(self._embedder.conv2, halves)
        return second.T, FrontendState(rest, frames_left, halves_left)


def _strided(conv: Any, inputs: Tensor) -> tuple[Tensor, Tensor]:
    """A convolution without padding over `[channels, n]`, and the inputs that the next output needs."""
    count = max(0, (inputs.shape[1] - _KERNEL) // _STRIDE + 1)
    if not count:
        return inputs.new_zeros(conv.out_channels, 0), inputs
    outputs = functional.conv1d(inputs[None], conv.weight, conv.bias, stride=_STRIDE)[0]
    return outputs, inputs[:, count * _STRIDE :].clone()
