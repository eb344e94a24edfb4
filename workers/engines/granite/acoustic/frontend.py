"""The acoustic frontend: from samples to CTC outputs and to the audio tokens of the language model."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch

from ...base import Hypothesis, Samples
from ..own_stream import HostCopy, OwnStream
from ..recording import Capture
from .block_cache import BlockCache, Window
from .ctc import Labels, LogProbs, has_speech
from .encoder import RaggedEncoder
from .encoder_graphs import EncoderGraphs
from .mel import Mel


@dataclass(frozen=True, slots=True)
class EncoderOutput:
    """
    The encoder's output for one clip.

    `hidden`: [frames, hidden]; `log_probs`: CTC log-probabilities [frames, labels].  One frame is 20 ms.
    """

    hidden: torch.Tensor = field(repr=False)
    log_probs: torch.Tensor = field(repr=False)
    best: Labels = field(repr=False)
    """The likeliest label of each frame, [frames]."""

    probabilities: npt.NDArray[np.float32] = field(repr=False)
    """The probability of the likeliest label, [frames]."""

    @property
    def speech(self) -> bool:
        """Whether there is speech: False if all labels are blanks or spaces."""
        return has_speech(self.best)

    def most_entropy(self) -> float:
        """The highest entropy of a frame of the CTC posteriors, in nats."""
        log_probs = self.log_probs.float()
        return float(-(log_probs.exp() * log_probs).sum(-1).max())

    def posteriors(self) -> LogProbs:
        """CTC log-probabilities, float32 [frames, labels], copied from the device."""
        return np.asarray(self.log_probs.float().cpu().numpy(), dtype=np.float32)


class EncoderPass:
    """A pass of the encoder that has been queued."""

    def __init__(
        self, hidden: Sequence[torch.Tensor], log_probs: Sequence[torch.Tensor], best: HostCopy
    ) -> None:
        """`hidden`, `log_probs`: see EncoderOutput; `best`: labels and probabilities of all frames."""
        self._hidden, self._log_probs, self._best = hidden, log_probs, best

    @property
    def ready(self) -> bool:
        """Whether `read` returns without waiting."""
        return self._best.ready

    def read(self) -> list[EncoderOutput]:
        """Wait for the pass.  Returns the output for each clip."""
        labels, scores = (one.numpy() for one in self._best.read())
        edges = np.cumsum([len(clip) for clip in self._hidden])[:-1]
        return [
            EncoderOutput(*parts)
            for parts in zip(
                self._hidden, self._log_probs, np.split(labels, edges), np.split(scores, edges), strict=True,
            )
        ]  # fmt: skip


class AcousticFrontend:
    """Features, encoder, CTC head and projector of one model, for whole clips and for windows of growing clips."""

    def __init__(self, encoder: RaggedEncoder, device: torch.device) -> None:
        self._encoder, self._device = encoder, device
        self._stream = OwnStream(device)
        self._graphs: EncoderGraphs | None = None
        self._mel = Mel.on(device)
        self._open = BlockCache(self._mel, device, encoder.context)

    def whole(self, samples: Samples) -> torch.Tensor:
        """The features of a complete clip (see Samples): [frames, 160]."""
        return self.wholes([samples])[0]

    def wholes(self, clips: Sequence[Samples]) -> list[torch.Tensor]:
        """Return the features of complete clips, `[frames, 160]` for each.  Does not wait for the device."""
        with self._stream.entered():
            return self._mel.batch(clips)

    def window(self, key: str, samples: Samples) -> Window:
        """The part of a growing clip that must be encoded for its next partial; `key`: that of the utterance."""
        with self._stream.entered():
            return self._open.window(key, samples)

    def partial(self, window: Window, heard: EncoderOutput) -> Hypothesis:
        """The partial from an encoded window."""
        return self._open.apply(window, heard.best, heard.probabilities)

    def close(self, key: str) -> None:
        """Forget the utterance `key`: no more partials follow."""
        self._open.forget(key)

    def encode(self, features: Sequence[torch.Tensor]) -> list[EncoderOutput]:
        """Encode all clips, each [frames, 160], in one pass.  A result does not depend on the other clips."""
        return self.begin(features).read()

    def begin(self, features: Sequence[torch.Tensor]) -> EncoderPass:
        """Queue `encode` beside the decode steps."""
        with torch.inference_mode(), self._stream.entered():
            hidden, log_probs = self._encoded(features)
            score, label = torch.cat(list(log_probs)).max(-1)
            return EncoderPass(hidden, log_probs, HostCopy([label, score.exp()]))

    def _encoded(
        self, features: Sequence[torch.Tensor]
    ) -> tuple[Sequence[torch.Tensor], Sequence[torch.Tensor]]:
        """Hidden states and CTC log-probabilities of each clip, by a graph if one fits."""
        replayed = self._graphs.run(features) if self._graphs else None
        if replayed is None:
            hidden = self._encoder.hidden(features)
            return hidden, self._encoder.posteriors(hidden)
        lengths = [len(clip) for clip in features]
        states, scores = (one.split(lengths) for one in replayed)
        return states, scores

    def record(self, capture: Capture | None = None) -> None:
        """Record the passes of short batches, at warm-up; `capture`: unset uses CUDA graphs."""
        graphs = EncoderGraphs(self._encoder, self._device, capture)
        with self._stream.entered():
            graphs.record_all()
        self._graphs = graphs

    def audio_tokens(self, heard: Sequence[EncoderOutput]) -> list[torch.Tensor]:
        """The audio tokens of each clip for the language model, [tokens, LLM hidden]."""
        with torch.inference_mode():
            with self._stream.entered():
                tokens = self._encoder.audio_tokens([one.hidden for one in heard])
            self._stream.hand_over(tokens)
            return tokens
