"""
faster-whisper that runs each task once.

The contract of engines and the tests of Whisper transcribe the same sounds again and again, each time for seconds. The
model is third-party code; what it returns for the same samples and options is the same (see test_whisper).
"""

from typing import Any

import numpy as np
import numpy.typing as npt


class RememberedModel:
    """A `faster_whisper.WhisperModel` whose transcripts are kept; everything else is that of the model."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._known: dict[tuple[bytes, str], tuple[tuple[Any, ...], Any]] = {}

    def __getattr__(self, name: str) -> Any:
        """The model's own."""
        return getattr(self._model, name)

    def transcribe(
        self, samples: npt.NDArray[np.float32], **options: Any
    ) -> tuple[tuple[Any, ...], Any]:
        """As the model's, with all segments at once."""
        key = (samples.tobytes(), repr(sorted(options.items())))
        if key not in self._known:
            segments, info = self._model.transcribe(samples, **options)
            self._known[key] = tuple(segments), info
        return self._known[key]
