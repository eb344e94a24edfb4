"""From samples to what the CTC head and the language model make of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch

from ...base import Hypothesis, Samples
from .block_cache import BlockCache, Window
from .ctc import Labels, LogProbs, has_speech
from .encoder import RaggedEncoder
from .mel import Mel


@dataclass(frozen=True, slots=True)
class EncoderOutput:
    """What the encoder made of one clip."""

    hidden: torch.Tensor = field(repr=False)
    log_probs: torch.Tensor = field(repr=False)
    best: Labels = field(repr=False)
    """The likeliest label of each frame."""

    probabilities: npt.NDArray[np.float32] = field(repr=False)
    """Its probability."""

    @property
    def speech(self) -> bool:
        """False when all is blank: then nobody said anything."""
        return has_speech(self.best)

    def posteriors(self) -> LogProbs:
        """All labels of all frames, fetched from the device."""
        return np.asarray(self.log_probs.float().cpu().numpy(), dtype=np.float32)


class AcousticFrontend:
    """Features, encoder, CTC head and projector of one model; whole clips and windows of growing ones alike."""

    def __init__(self, encoder: RaggedEncoder, device: torch.device) -> None:
        self._encoder, self._device = encoder, device
        self._mel = Mel.on(device)
        self._open = BlockCache(self._mel, device, encoder.context)

    def whole(self, samples: Samples) -> torch.Tensor:
        """The features of a clip that is complete."""
        return self._mel.features(torch.from_numpy(samples).to(self._device))

    def window(self, key: str, samples: Samples) -> Window:
        """The part of a growing clip that has to be heard for its next partial."""
        return self._open.window(key, samples)

    def partial(self, window: Window, heard: EncoderOutput) -> Hypothesis:
        """The partial that a heard window makes."""
        return self._open.apply(window, heard.best, heard.probabilities)

    def close(self, key: str) -> None:
        """No more partials for `key`."""
        self._open.forget(key)

    def encode(self, features: Sequence[torch.Tensor]) -> list[EncoderOutput]:
        """One pass of the encoder over all clips; each comes out as if it were alone."""
        with torch.inference_mode():
            hidden = self._encoder.hidden(features)
            log_probs = self._encoder.posteriors(hidden)
            score, label = torch.cat(log_probs).max(-1)
            labels, scores = label.cpu().numpy(), score.exp().cpu().numpy()
        edges = np.cumsum([len(clip) for clip in hidden])[:-1]
        return [
            EncoderOutput(*parts)
            for parts in zip(
                hidden, log_probs, np.split(labels, edges), np.split(scores, edges), strict=True
            )
        ]

    def audio_tokens(self, heard: Sequence[EncoderOutput]) -> list[torch.Tensor]:
        """What the language model is to hear of each clip."""
        with torch.inference_mode():
            return self._encoder.audio_tokens([one.hidden for one in heard])
