"""
Log-mel frames of any stretch of an utterance, the same as those of one pass over all of it.

By the feature extractor of transformers: a window of 25 ms every 10 ms, pre-emphasis, no normalisation.  Nothing
of a frame depends on audio outside its window, so a stretch can be computed alone.
"""

from typing import Any

import numpy as np
import torch

from protocol.clock import ENGINE_RATE

from ..base import Samples


class AudioFeatures:
    """Computes frames by transformers' `NemotronAsrStreamingFeatureExtractor`.  May be used in several threads."""

    def __init__(self, extractor: Any) -> None:  # noqa: ANN401 - transformers is optional, so it has no types here
        self._extractor = extractor
        self.hop = int(extractor.hop_length)
        """Samples between two frames."""

        self.reach = int(extractor.win_length) // 2
        """Samples on each side of the middle of a frame that it depends on."""

        self._margin = int(extractor.n_fft) // 2

    def frames(self, samples: Samples, first: int, count: int) -> torch.Tensor:
        """
        Return the frames from `first`, `[1, count, bands]`.  The middle of frame n is sample n * `hop`.

        Outside `samples` there is digital silence.
        """
        begin = first * self.hop - self._margin
        end = (first + count - 1) * self.hop + self._margin
        inside = samples[max(0, begin) : max(0, end)]
        missing = end - max(0, begin) - len(inside)
        padded = np.pad(inside, (max(0, -begin), missing))
        made = self._extractor(padded, sampling_rate=ENGINE_RATE, center=False, return_tensors="pt")
        frames: torch.Tensor = made["input_features"]
        return frames
