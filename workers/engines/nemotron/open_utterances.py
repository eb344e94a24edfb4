"""
The states of utterances that grow, by their keys: a partial costs only its new audio.

Nothing depends on what is kept but time: without it, as in a worker that has not heard the beginning, the utterance
is encoded from its beginning, with the same text.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from threading import Lock

import numpy as np

from ..base import Samples
from ..common.growing_audio import continues
from .streaming_encoder import EncoderState
from .transducer import DecoderState, Emission


@dataclass(slots=True)
class Progress:
    """How far an utterance is: its whole chunks are encoded and decoded."""

    prompt: int
    """Number of the language."""

    decoder: DecoderState
    encoder: EncoderState = field(default_factory=EncoderState)
    emissions: tuple[Emission, ...] = ()
    samples: Samples = field(default_factory=lambda: np.zeros(0, np.float32), repr=False)
    """Those that the chunks heard."""

    def continues_with(self, samples: Samples, prompt: int) -> bool:
        """Whether `samples` begin with what was heard, in the same language."""
        return self.prompt == prompt and continues(self.samples, samples)


class OpenUtterances:
    """Keeps the progress of at most `most` utterances; those that grew longest ago go first.  Thread-safe."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[str, Progress] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def take(self, key: str, samples: Samples, prompt: int) -> Progress | None:
        """Remove and return the progress of an utterance; None if none is kept that `samples` continue."""
        with self._lock:
            progress = self._kept.pop(key, None)
        return progress if progress and progress.continues_with(samples, prompt) else None

    def keep(self, key: str, progress: Progress) -> None:
        """Keep the progress of an utterance that may grow.  Not with an empty key, nor before its first chunk."""
        if not key or not progress.encoder.frames:
            return
        with self._lock:
            self._kept[key] = progress
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
