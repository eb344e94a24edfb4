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

from .. import compiled
from ..compiled import CompiledNetwork
from .onnx_weights import read_constants

Floats = npt.NDArray[np.float32]

_BRANCH = "If_0_else_branch__Inline_0__"
"""Prefix of the names of the 8 kHz network in the model file; the other branch is for 16 kHz."""

_WINDOW, _FRAME, _HOP, _FRAMES, _BINS = 288, 128, 64, 4, 65
"""Samples of a window and of a frame of the Fourier transform, samples between two frames, frames, frequencies."""

_MIRRORED = (_FRAMES - 1) * _HOP + _FRAME - _WINDOW
"""Samples behind a window: its last ones, mirrored."""

_UNITS = 128
"""Units of the LSTM."""

_TAPS = 3
"""Steps that a kernel of a convolution spans; a step of zeros stands before and behind the input."""

_HALF = np.float32(0.5)


def load_weights(file: Path) -> dict[str, Floats]:
    """Read the weights of the 8 kHz network from Silero's model file, by their names."""
    constants = read_constants(file.read_bytes(), "else_branch")
    return {name.removeprefix(_BRANCH): values for name, values in constants.items()}


class SileroNetwork:
    """The network; it has no state.  Its matrices are small, so that they stay in the cache of a core."""

    def __init__(self, weights: Mapping[str, Floats]) -> None:
        """`weights`: by name, as `load_weights` returns them.  Raises KeyError for those of another version."""
        self._transform = np.ascontiguousarray(weights["stft.forward_basis_buffer"][:, 0].T)
        self._first = _Convolution(weights, "encoder.0", range(_TAPS))
        self._second = _Convolution(weights, "encoder.1", range(_TAPS))
        self._third = _Convolution(weights, "encoder.2", range(1, _TAPS))  # two steps remain
        self._fourth = _Convolution(weights, "encoder.3", range(1, 2))  # one step remains
        self._input_gates = np.ascontiguousarray(weights["decoder.rnn.weight_ih"].T)
        self._memory_gates = np.ascontiguousarray(weights["decoder.rnn.weight_hh"].T)
        self._gate_bias = weights["decoder.rnn.bias_ih"] + weights["decoder.rnn.bias_hh"]
        self._output = np.ascontiguousarray(weights["decoder.decoder.2.weight"][0, :, 0])
        self._output_bias = weights["decoder.decoder.2.bias"][0]

    def compile(self, width: int = 64) -> CompiledNetwork | None:
        """
        Return the network of the compiled step, with the same weights; None if it is not in use.

        `width`: most bytes of the vector registers to use; 0 for plain C, which is slower than numpy.
        """
        if (step := compiled.step()) is None:
            return None
        layers = self._first, self._second, self._third, self._fourth
        return step.SileroNetwork(
            (
                self._transform,
                *(layer.matrix for layer in layers),
                self._input_gates,
                self._memory_gates,
            ),
            (*(layer.bias for layer in layers), self._gate_bias),
            self._output,
            float(self._output_bias),
            width,
        )

    def gates(self, windows: Floats) -> Floats:
        """
        Run the part of the network that does not depend on the windows before.

        `windows`: `[n, 288]`, from -1 to 1.  Returns the input of `step` for each: `[n, 512]`.
        """
        count = len(windows)
        steps = np.zeros((count, _FRAMES + 2, _BINS), dtype=np.float32)
        steps[:, 1:-1] = self._magnitudes(windows).reshape(count, _FRAMES, _BINS)
        found = self._first.run(_spans(steps, _FRAMES, 1))
        steps = np.zeros((count, _FRAMES + 1, found.shape[1]), dtype=np.float32)
        steps[:, 1:] = found.reshape(count, _FRAMES, -1)
        found = self._second.run(_spans(steps, _FRAMES // 2, 2))
        found = self._fourth.run(self._third.run(found.reshape(count, -1)))
        gates: Floats = found @ self._input_gates
        gates += self._gate_bias
        return gates

    def step(self, gates: Floats, memory: Floats) -> tuple[Floats, Floats]:
        """
        Take the next window of each channel.

        `gates`: `[n, 512]`, is overwritten; `memory`: `[2, n, 128]`.  Returns the probabilities of speech, `[n]`,
        and the new memory.
        """
        after = np.empty_like(memory)
        gates += memory[0] @ self._memory_gates  # in the order input, forget, cell, output
        gates[:, : 2 * _UNITS] *= _HALF
        gates[:, 3 * _UNITS :] *= _HALF
        np.tanh(gates, out=gates)
        opened, proposed = gates[:, : 2 * _UNITS], gates[:, 2 * _UNITS : 3 * _UNITS]
        _to_sigmoid(opened)
        np.multiply(opened[:, _UNITS:], memory[1], out=after[1])
        after[1] += opened[:, :_UNITS] * proposed
        _to_sigmoid(gates[:, 3 * _UNITS :])
        np.multiply(gates[:, 3 * _UNITS :], np.tanh(after[1]), out=after[0])
        probabilities = (np.maximum(after[0], 0) @ self._output + self._output_bias) * _HALF
        np.tanh(probabilities, out=probabilities)
        _to_sigmoid(probabilities)
        return probabilities, after

    def _magnitudes(self, windows: Floats) -> Floats:
        """Return the magnitudes of the short-time Fourier transform: `[n * frames, bins]`."""
        count, size = len(windows), _WINDOW + _MIRRORED
        samples = np.empty((count, size), dtype=np.float32)
        samples[:, :_WINDOW] = windows
        samples[:, _WINDOW:] = windows[:, _WINDOW - 2 : _WINDOW - 2 - _MIRRORED : -1]
        width = samples.itemsize
        frames = np.ndarray(
            (count, _FRAMES, _FRAME), np.float32, samples, 0, (size * width, _HOP * width, width)
        )
        parts = frames.reshape(-1, _FRAME) @ self._transform
        np.square(parts, out=parts)
        magnitudes: Floats = parts[:, :_BINS] + parts[:, _BINS:]
        return np.sqrt(magnitudes, out=magnitudes)


class _Convolution:
    """A convolution followed by a rectifier, as one matrix for the steps that a kernel spans."""

    def __init__(self, weights: Mapping[str, Floats], name: str, taps: range) -> None:
        """`taps`: those that meet the input; the others meet zeros."""
        kernel = weights[f"{name}.reparam_conv.weight"][:, :, taps]  # `[out, in, taps]`
        self.matrix = np.ascontiguousarray(kernel.transpose(2, 1, 0).reshape(-1, len(kernel)))
        """`[taps * in, out]`."""

        self.bias = weights[f"{name}.reparam_conv.bias"]

    def run(self, spans: Floats) -> Floats:
        """`spans`: `[n, taps * in]`.  Returns `[n, out]`."""
        found: Floats = spans @ self.matrix
        found += self.bias
        return np.maximum(found, 0, out=found)


def _spans(steps: Floats, count: int, stride: int) -> Floats:
    """Return what a kernel spans at each place.  `steps`: `[n, steps, in]`; returns `[n * count, taps * in]`."""
    channels, length, width = steps.shape
    size = width * steps.itemsize
    strides = (length * size, stride * size, steps.itemsize)
    spans = np.ndarray((channels, count, _TAPS * width), np.float32, steps, 0, strides)
    return spans.reshape(channels * count, -1)


def _to_sigmoid(values: Floats) -> None:
    """Turn the hyperbolic tangent of half a value into its sigmoid, which cannot overflow this way."""
    values *= _HALF
    values += _HALF
