"""
Voice embeddings of Resemblyzer, computed with NumPy.

The model: "Generalized End-to-End Loss for Speaker Verification" (Wan et al., arXiv 1710.10467), 1.4 million
parameters, trained at 16 kHz on LibriSpeech and VoxCeleb. Code and weights:
https://github.com/resemble-ai/Resemblyzer, Apache 2.0.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from .tensor_file import Tensors

Floats = npt.NDArray[np.float32]

SIZE = 256
"""Numbers of an embedding."""

_RATE, _FRAME, _HOP, _BANDS = 16_000, 400, 160, 40
_LAYERS = 3
_LOUDNESS = 10.0 ** (-30.0 / 10.0)
"""Power that the speech of a segment is brought to: 30 dB below full scale, as in the training."""

_QUIETEST = 10.0 ** (-28.0 / 10.0)
"""Frames whose power, relative to the loud ones of the segment, is lower are pauses."""

_BRIDGED = 15
"""Frames on each side of speech that belong to it: pauses of 0.3 s do not interrupt it."""

_BATCH = 32
"""Windows that are computed together: a segment of any length needs bounded memory."""

WINDOW = 100 * _HOP
"""
Length of a window in samples at 16 kHz: 1.0 s of speech.

In the training it was 1.6 s; shorter windows find changes of the speaker better (`bench/speakers.py`).
"""

HOP = 20 * _HOP
"""Samples between windows: 0.2 s of speech (`bench/speakers.py`)."""

SHORTEST = 30 * _HOP
"""Samples at 16 kHz without which a voice cannot be known: 0.3 s."""


@dataclass(frozen=True, slots=True)
class VoiceWindows:
    """Windows of a segment: `centres` in samples at 16 kHz, ascending; `vectors` `[n, SIZE]`, of length 1."""

    centres: npt.NDArray[np.int64]
    vectors: Floats


class Voices(Protocol):
    """Turns speech into embeddings that are close for one voice."""

    def windows(self, samples: Floats, hop: int) -> VoiceWindows | None:
        """See VoiceEncoder; None if the weights are not installed."""
        ...


class VoiceEncoder:
    """Turns speech into embeddings that are close for one voice.  May be used in several threads."""

    def __init__(self, tensors: Tensors) -> None:
        """Raises KeyError if `tensors` are those of another model."""
        self._layers = [
            (
                np.ascontiguousarray(_prepared(tensors[f"lstm.weight_ih_l{layer}"]).T),
                np.ascontiguousarray(_prepared(tensors[f"lstm.weight_hh_l{layer}"]).T),
                _prepared(tensors[f"lstm.bias_ih_l{layer}"] + tensors[f"lstm.bias_hh_l{layer}"]),
            )
            for layer in range(_LAYERS)
        ]
        self._linear = np.ascontiguousarray(tensors["linear.weight"].T), tensors["linear.bias"]
        self._filters = _mel_filters().T

    def windows(self, samples: Floats, hop: int) -> VoiceWindows:
        """
        The embeddings of windows of 1.0 s of speech, one for each `hop` samples; one window of less speech.

        `samples`: `[n]`, n at least SHORTEST, 16 kHz, full scale is 1. Pauses are left out: a window may reach over
        one. Takes about 3 ms of CPU for each window: call it in a thread.
        """
        spectra, powers = self._frames(samples)
        spoken = _spoken(powers)
        frames = spectra[spoken] * np.float32(_LOUDNESS / max(float(powers[spoken].mean()), 1e-12))
        length = min(WINDOW // _HOP, len(frames))
        last = len(frames) - length
        starts = np.unique([*range(0, last + 1, hop // _HOP), last])
        vectors = [
            self._vectors(
                np.stack([frames[at : at + length] for at in starts[first : first + _BATCH]])
            )
            for first in range(0, len(starts), _BATCH)
        ]
        return VoiceWindows(
            spoken[np.minimum(starts + length // 2, len(spoken) - 1)] * _HOP,
            np.concatenate(vectors),
        )

    def _frames(self, samples: Floats) -> tuple[Floats, Floats]:
        """Mel power spectra `[n, 40]`, 100 a second (librosa's `melspectrogram`, Hann window); powers `[n]`."""
        padded = np.pad(samples, _FRAME // 2)
        frames = np.lib.stride_tricks.sliding_window_view(padded, _FRAME)[::_HOP]
        power = np.abs(np.fft.rfft(frames * _HANN, axis=1)) ** 2
        spectra: Floats = power.astype(np.float32) @ self._filters
        return spectra, (frames**2).mean(1)

    def _vectors(self, windows: Floats) -> Floats:
        """`windows`: `[n, frames, 40]`."""
        inputs = windows.transpose(1, 0, 2)
        for from_input, from_state, bias in self._layers:
            inputs = _lstm(inputs @ from_input + bias, from_state)
        weights, bias = self._linear
        raw = np.maximum(inputs[-1] @ weights + bias, 0.0)
        vectors: Floats = raw / (np.linalg.norm(raw, axis=1, keepdims=True) + np.float32(1e-9))
        return vectors


def _lstm(gates: Floats, from_state: Floats) -> Floats:
    """Run an LSTM layer.  `gates`: `[frames, n, 4 * size]`, from the input, in the order of `_prepared`."""
    size = from_state.shape[0]
    state = np.zeros((gates.shape[1], size), np.float32)
    cell = np.zeros_like(state)
    states = np.empty((*gates.shape[:2], size), np.float32)
    for at, given in enumerate(gates):
        now = given + state @ from_state
        np.tanh(now, out=now)
        sigmoids = now[:, : 3 * size]
        sigmoids += 1.0
        sigmoids *= 0.5
        cell *= now[:, size : 2 * size]
        cell += now[:, :size] * now[:, 3 * size :]
        state = np.tanh(cell, out=states[at])
        state *= now[:, 2 * size : 3 * size]
    return states


def _prepared(weights: Floats) -> Floats:
    """
    The rows of the gates in the order input, forget, output, candidate; torch has the candidate in the third place.

    Those of the first three are halved: `sigmoid(x) = (1 + tanh(x / 2)) / 2`, and one `tanh` serves all four.
    """
    into, forget, candidate, out = np.split(weights, 4)
    return np.concatenate([into / 2, forget / 2, out / 2, candidate])


def _spoken(powers: Floats) -> npt.NDArray[np.int64]:
    """The frames with speech, ascending; all, if there are too few for a voice."""
    loud = powers > max(float(np.percentile(powers, 97)) * _QUIETEST, 1e-9)
    near = np.convolve(loud, np.ones(2 * _BRIDGED + 1), "same") > 0.5
    closed = np.convolve(~near, np.ones(2 * _BRIDGED + 1), "same") < 0.5
    found = np.flatnonzero(closed | loud)
    return found if len(found) >= SHORTEST // _HOP else np.arange(len(powers))


def _mel_filters() -> Floats:
    """Slaney's mel filters, `[40, 201]`, as librosa makes them by default."""
    edges = _from_mel(np.linspace(0.0, _to_mel(_RATE / 2), _BANDS + 2))
    low, centre, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    at = np.arange(_FRAME // 2 + 1) * (_RATE / _FRAME)
    slopes = np.minimum((at - low) / (centre - low), (high - at) / (high - centre))
    return (np.maximum(slopes, 0.0) * 2.0 / (high - low)).astype(np.float32)


_LINEAR = 200.0 / 3.0
_LOG_STEP = float(np.log(6.4)) / 27.0


def _to_mel(hertz: float) -> float:
    """Linear below 1 kHz, logarithmic above."""
    return hertz / _LINEAR if hertz < 1_000 else 15.0 + float(np.log(hertz / 1_000)) / _LOG_STEP


def _from_mel(mel: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.where(mel < 15.0, mel * _LINEAR, 1_000 * np.exp(_LOG_STEP * (mel - 15.0)))


_HANN = np.hanning(_FRAME + 1)[:-1].astype(np.float32)
