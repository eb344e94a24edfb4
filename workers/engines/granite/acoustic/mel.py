"""
Log mel features for Granite Speech, computed without torchaudio.

The vendor's extractor needs torchaudio for one transform, and the last torchaudio on PyPI does not load together
with a CPU build of torch.  The computation here is the same: power spectrum, HTK mel filters, log10 with a floor
80 dB below the loudest frame of the clip, two mel frames stacked.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

RATE = 16_000
WINDOW = 400
HOP = 160
TRANSFORM = 512
BANDS = 80
FRAME = 2 * HOP
"""Samples of one encoder frame: 20 ms."""

LEAST_SAMPLES = 4_800
"""0.3 s, one window of the projector.  Shorter clips are padded with zeros to this length."""

_SMALLEST_POWER = 1e-10
_DECADES_KEPT = 8.0


def frames_in(samples: int) -> int:
    """Number of encoder frames in a clip of `samples` samples, after padding to LEAST_SAMPLES."""
    return (max(samples, LEAST_SAMPLES) // HOP + 1) // 2


@dataclass(frozen=True, slots=True)
class Mel:
    """The mel transform with its two constant tables, on one device."""

    window: torch.Tensor
    filters: torch.Tensor

    @classmethod
    def on(cls, device: torch.device) -> "Mel":
        """The transform for tensors on `device`."""
        window = torch.hann_window(WINDOW, periodic=True)
        return cls(window.to(device), _filters().to(device))

    def log_power(self, samples: torch.Tensor) -> torch.Tensor:
        """Log10 mel power of one clip [n], without the floor: [1 + n // 160, 80].  Needs at least 257 samples."""
        spectrum = torch.stft(
            samples.float(), TRANSFORM, HOP, WINDOW, self.window, center=True, pad_mode="reflect",
            normalized=False, onesided=True, return_complex=True,
        )  # fmt: skip
        power = torch.matmul(spectrum.abs().pow(2).transpose(-1, -2), self.filters)
        return power.clip_(min=_SMALLEST_POWER).log10_()

    def features(self, samples: torch.Tensor) -> torch.Tensor:
        """The encoder's input for one whole clip [n]: [frames, 160]."""
        log_power = self.log_power(padded(samples))
        return stacked(log_power, log_power.max())

    def batch(self, clips: Sequence[npt.NDArray[np.float32]]) -> list[torch.Tensor]:
        """
        The encoder's input for whole clips, each [n]: [frames, 160] each.  Equal to `features` of each clip.

        One copy to the device and the same few operations for all clips together; nothing waits for the device.
        """
        edged = [_with_edges(clip) for clip in clips]
        counts = [(len(clip) - TRANSFORM) // HOP + 1 for clip in edged]
        line, starts = _line(edged)
        device = self.filters.device
        owners = torch.from_numpy(np.repeat(np.arange(len(clips)), counts)).to(device)
        frames = torch.from_numpy(line).to(device).unfold(0, TRANSFORM, HOP)
        places = np.concatenate(
            [np.arange(start, start + count) for start, count in zip(starts, counts, strict=True)]
        )
        places_there = torch.from_numpy(places).to(device)
        log_power = self._log_power_of(frames.index_select(0, places_there))
        peaks = torch.full((len(clips),), -torch.inf, device=device)
        peaks = peaks.scatter_reduce(0, owners, log_power.amax(-1), "amax")
        floored = torch.maximum(log_power, peaks[owners, None] - _DECADES_KEPT) / 4 + 1
        return [_paired(one) for one in floored.split(counts)]

    def _log_power_of(self, frames: torch.Tensor) -> torch.Tensor:
        """Log10 mel power of frames [n, 512]: [n, 80]."""
        margin = (TRANSFORM - WINDOW) // 2
        window = torch.nn.functional.pad(self.window, (margin, margin))
        power = torch.matmul(torch.fft.rfft(frames * window).abs().pow(2), self.filters)
        return power.clip_(min=_SMALLEST_POWER).log10_()


def padded(samples: torch.Tensor) -> torch.Tensor:
    """`samples` [n], padded with zeros to LEAST_SAMPLES."""
    missing = LEAST_SAMPLES - samples.shape[0]
    return torch.nn.functional.pad(samples, (0, missing)) if missing > 0 else samples


def stacked(log_power: torch.Tensor, peak: float | torch.Tensor) -> torch.Tensor:
    """Apply the floor below `peak` (log10 power), scale, and stack two mel frames; an odd last frame is dropped."""
    return _paired(torch.clamp(log_power, min=peak - _DECADES_KEPT) / 4 + 1)


def _paired(frames: torch.Tensor) -> torch.Tensor:
    """[n, 80] to [n // 2, 160]."""
    return frames[: frames.shape[0] // 2 * 2].reshape(-1, 2 * BANDS)


def _with_edges(clip: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """`clip` [n], at least LEAST_SAMPLES long, reflected by half a transform at both ends."""
    missing = max(0, LEAST_SAMPLES - len(clip))
    return np.pad(np.pad(clip, (0, missing)), TRANSFORM // 2, mode="reflect")


def _line(clips: Sequence[npt.NDArray[np.float32]]) -> tuple[npt.NDArray[np.float32], list[int]]:
    """All `clips` one after another, each from a multiple of HOP on; and the number of hops before each clip."""
    hops = [-(-len(clip) // HOP) for clip in clips]
    starts = [sum(hops[:number]) for number in range(len(clips))]
    line = np.zeros(sum(hops) * HOP + TRANSFORM, np.float32)
    for clip, start in zip(clips, starts, strict=True):
        line[start * HOP : start * HOP + len(clip)] = clip
    return line, starts


def _filters() -> torch.Tensor:
    """Triangular filters on the HTK mel scale from 0 to 8 kHz, not normalised: [257, 80]."""
    bins = torch.linspace(0, RATE // 2, TRANSFORM // 2 + 1)
    marks = torch.linspace(0.0, _mel(RATE / 2), BANDS + 2)
    corners = 700.0 * (10.0 ** (marks / 2595.0) - 1.0)
    widths = corners[1:] - corners[:-1]
    slopes = corners.unsqueeze(0) - bins.unsqueeze(1)
    rising, falling = -slopes[:, :-2] / widths[:-1], slopes[:, 2:] / widths[1:]
    return torch.clamp(torch.minimum(rising, falling), min=0.0)


def _mel(hertz: float) -> float:
    return 2595.0 * math.log10(1.0 + hertz / 700.0)
