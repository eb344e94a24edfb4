"""
The network of Silero VAD (version 6, 8 kHz) in numpy, for many windows at once.

It costs half of what onnxruntime takes for the few windows of a tick, because it has no fixed cost per operator of
the graph: the magnitude of a short-time Fourier transform, four convolutions, one step of an LSTM, one output.
tests/streaming/audio/test_silero_network.py compares it with onnxruntime on speech.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from .onnx_weights import read_constants

Floats = npt.NDArray[np.float32]

_BRANCH = "If_0_else_branch__Inline_0__"
"""Prefix of the names of the 8 kHz network in the model file; the other branch is for 16 kHz."""

_WINDOW, _FRAME, _HOP, _FRAMES, _BINS = 288, 128, 64, 4, 65
"""Samples of a window and of a frame of the Fourier transform, samples between two frames, frames, frequencies."""

_UNITS = 128
"""Units of the LSTM."""

_LAYERS = ((4, 1), (4, 2), (2, 2), (1, 1))
"""Steps that enter each convolution, and its stride; kernels have three taps."""


def load_weights(file: Path) -> dict[str, Floats]:
    """Read the weights of the 8 kHz network from Silero's model file, by their names."""
    constants = read_constants(file.read_bytes(), "else_branch")
    return {name.removeprefix(_BRANCH): values for name, values in constants.items()}


class SileroNetwork:
    """The network; it has no state."""

    def __init__(self, weights: Mapping[str, Floats]) -> None:
        """`weights`: by name, as `load_weights` returns them.  Raises KeyError for those of another version."""
        self._transform = _fourier_matrix(weights["stft.forward_basis_buffer"][:, 0])
        self._layers = [
            _layer(weights, f"encoder.{number}.reparam_conv", steps, stride)
            for number, (steps, stride) in enumerate(_LAYERS)
        ]
        inputs, memory = weights["decoder.rnn.weight_ih"], weights["decoder.rnn.weight_hh"]
        self._gates = np.ascontiguousarray(np.concatenate([inputs.T, memory.T]))
        self._gate_bias = weights["decoder.rnn.bias_ih"] + weights["decoder.rnn.bias_hh"]
        self._output = np.ascontiguousarray(weights["decoder.decoder.2.weight"][0, :, 0])
        self._output_bias = weights["decoder.decoder.2.bias"][0]

    def run(self, windows: Floats, memory: Floats) -> tuple[Floats, Floats]:
        """
        Run the network once.

        `windows`: `[n, 288]`, from -1 to 1; `memory`: `[2, n, 128]`.  Returns the probabilities of speech, `[n]`,
        and the new memory.
        """
        parts = np.square(windows @ self._transform)
        features: Floats = np.sqrt(parts[:, : _FRAMES * _BINS] + parts[:, _FRAMES * _BINS :])
        for matrix, bias in self._layers:
            features = features @ matrix
            features += bias
            np.maximum(features, 0, out=features)
        hidden, cell = self._step(features, memory)
        probabilities = _sigmoid(np.maximum(hidden, 0) @ self._output + self._output_bias)
        return probabilities, np.stack([hidden, cell])

    def _step(self, features: Floats, memory: Floats) -> tuple[Floats, Floats]:
        """One step of the LSTM: gates in the order input, forget, cell, output."""
        gates = np.concatenate([features, memory[0]], axis=1) @ self._gates + self._gate_bias
        opened = _sigmoid(gates[:, : 2 * _UNITS])
        proposed = np.tanh(gates[:, 2 * _UNITS : 3 * _UNITS])
        cell = opened[:, _UNITS:] * memory[1] + opened[:, :_UNITS] * proposed
        return _sigmoid(gates[:, 3 * _UNITS :]) * np.tanh(cell), cell


def _fourier_matrix(basis: Floats) -> Floats:
    """
    Return the transform of a whole window as one matrix: `[samples, 2 * frames * bins]`, cosines before sines.

    `basis`: `[2 * bins, samples of a frame]`.  The samples behind the window are its last ones, mirrored.
    """
    matrix = np.zeros((_WINDOW, 2, _FRAMES, _BINS), dtype=np.float32)
    for frame in range(_FRAMES):
        for place, waves in enumerate(basis.T.reshape(_FRAME, 2, _BINS)):
            at = frame * _HOP + place
            matrix[at if at < _WINDOW else 2 * (_WINDOW - 1) - at, :, frame] += waves
    return matrix.reshape(_WINDOW, -1)


def _layer(
    weights: Mapping[str, Floats], name: str, steps: int, stride: int
) -> tuple[Floats, Floats]:
    """
    Return a convolution over few steps as one matrix, `[steps * in, found * out]`, and its bias.

    The kernel is `[out, in, taps]`; a step of zeros stands before and behind the input.
    """
    kernel, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
    out, width, taps = kernel.shape
    found = (steps - 1) // stride + 1
    matrix = np.zeros((steps, width, found, out), dtype=np.float32)
    for place in range(found):
        for tap in range(taps):
            step = place * stride + tap - 1
            if 0 <= step < steps:
                matrix[step, :, place] = kernel[:, :, tap].T
    return matrix.reshape(steps * width, -1), np.tile(bias, found)


def _sigmoid(values: Floats) -> Floats:
    """By the hyperbolic tangent, which does not overflow."""
    opened: Floats = np.tanh(values * np.float32(0.5))
    opened *= np.float32(0.5)
    opened += np.float32(0.5)
    return opened
