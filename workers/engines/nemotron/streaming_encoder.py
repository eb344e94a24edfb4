"""
The encoder of an utterance that grows: each chunk of audio is encoded once.

The encoder is a cache-aware FastConformer (Noroozi et al., "Stateful Conformer with Cache-based Inference for
Streaming Automatic Speech Recognition", arXiv 2312.17279).  A frame attends to its own chunk and to the chunks in
the window before it, and its convolutions look back only.  So the keys and values of that window and the last
inputs of each convolution are all that later audio needs; transformers keeps both.
"""

import copy
from dataclasses import dataclass
from typing import Any

import torch

from ..base import Samples
from .audio_features import AudioFeatures


@dataclass(slots=True)
class EncoderState:
    """What the encoder needs of the audio before the next frame.  Changed by `StreamingEncoder.encode`."""

    frames: int = 0
    """Frames of the encoder so far."""

    attention: Any = None
    """transformers' cache of keys and values; None before the first frame."""

    convolutions: Any = None
    """transformers' cache of the convolutions' inputs."""

    def copied(self) -> "EncoderState":
        """A state that can go on without a change of this one."""
        if self.attention is None:
            return EncoderState()
        attention = copy.copy(self.attention)
        attention.layers = [copy.copy(layer) for layer in self.attention.layers]
        convolutions = copy.copy(self.convolutions)
        convolutions.layers = {
            name: _with_own_tensor(layer) for name, layer in self.convolutions.layers.items()
        }
        return EncoderState(self.frames, attention, convolutions)


class StreamingEncoder:
    """Encodes stretches of utterances, each after the one before it.  May be used in several threads."""

    def __init__(self, model: Any, features: AudioFeatures, lookahead: int) -> None:  # noqa: ANN401
        """`model`: transformers' `Nemotron3_5AsrForRNNT`; `lookahead`: frames of the encoder."""
        self._model, self._features, self._lookahead = model, features, lookahead
        self._factor = int(model.config.encoder_config.subsampling_factor)
        self.chunk = lookahead + 1
        """Frames of a chunk.  A frame hears all of its chunk."""

        self.hop = self._factor * features.hop
        """Samples from one frame to the next."""

    def complete_frames(self, length: int) -> int:
        """How many frames hear nothing behind the first `length` samples."""
        return max(0, (length - self._features.reach) // self.hop + 1)

    def all_frames(self, length: int) -> int:
        """How many frames there are until every one of `length` samples has been heard."""
        return max(0, -(-(length - self._features.reach) // self.hop) + 1)

    def heard(self, frames: int) -> int:
        """How many samples the first `frames` frames depend on."""
        return (frames - 1) * self.hop + self._features.reach if frames else 0

    @torch.inference_mode()
    def encode(
        self, state: EncoderState, samples: Samples, frames: int, prompt: int
    ) -> torch.Tensor:
        """
        Encode the next `frames` of an utterance, `[frames, width]`, and advance `state`.

        Encoding may only be continued after a multiple of `chunk` frames: the frames of a chunk hear each other.
        `prompt`: number of the language.
        """
        first = self._factor * (state.frames - 1) + 1 if state.frames else 0
        count = self._factor * frames if state.frames else self._factor * (frames - 1) + 1
        encoded = self._model.get_audio_features(
            input_features=self._features.frames(samples, first, count),
            prompt_ids=torch.tensor([prompt]),
            cache=state.attention,
            padding_cache=state.convolutions,
            num_lookahead_tokens=self._lookahead,
            use_cache=True,
            output_attention_mask=False,
        )
        state.attention, state.convolutions = encoded.cache, encoded.padding_cache
        state.frames += frames
        states: torch.Tensor = encoded.pooler_output[0]
        return states


def _with_own_tensor(layer: Any) -> Any:  # noqa: ANN401 - a layer of transformers' cache
    """A copy of a layer of the convolutions' cache, whose tensor transformers overwrites in place."""
    own = copy.copy(layer)
    own.cache = layer.cache.clone()
    return own
