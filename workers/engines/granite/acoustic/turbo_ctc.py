"""
Partials from another model: Granite Speech 5.0 TurboCTC, English, with a third of the computation.

It encodes the whole open segment each time: its blocks are 10 s long, so a cache would save nothing.  Its tokens
are pieces of words, so partials have no word times.  Finals still come from the large model.
"""

# ruff: noqa: ANN401 - torch and transformers are an optional extra: their models have no types here

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional

from ...base import Hypothesis, RecognisedWord, Samples, Utterance
from ...common.checkpoint.pretrained import pretrained
from ..checkpoint import CheckpointError, fetched
from .block_cache import agreed
from .mel import HOP, Mel, padded

MODEL_TYPE = "granite_speech5_ctc"
LANGUAGES = frozenset({"en"})
KEYS_KEPT = 4_096

_DECADES_KEPT = 8.0


class TurboPartials:
    """Partials of English utterances."""

    languages = LANGUAGES

    def __init__(self, model: Any, tokenizer: Any) -> None:
        """`model`: a loaded GraniteSpeech5ForCTC; `tokenizer`: a Tokenizer of the tokenizers library."""
        self._model, self._tokenizer = model, tokenizer
        self._device = model.ctc_head.weight.device
        self._blank = int(model.config.pad_token_id)
        self._mel = Mel.on(self._device)
        self._last: OrderedDict[str, tuple[str, ...]] = OrderedDict()

    def encode(self, utterances: Sequence[Utterance]) -> list[Hypothesis]:
        """One partial for each utterance, in order.  A result does not depend on the other utterances."""
        return [
            self._partial(one.key, text)
            for one, text in zip(
                utterances, self.texts([one.samples for one in utterances]), strict=True
            )
        ]

    def texts(self, clips: Sequence[Samples]) -> list[str]:
        """The text of each clip, by the greedy path."""
        with torch.inference_mode():
            features = [self.features(torch.from_numpy(clip).to(self._device)) for clip in clips]
            lengths = torch.tensor([len(clip) for clip in features])
            mask = torch.arange(int(lengths.max())) < lengths[:, None]
            batch = torch.nn.utils.rnn.pad_sequence(features, batch_first=True)
            ids = self._model.generate(input_features=batch, attention_mask=mask.to(self._device))
        return [self._spelt(torch.unique_consecutive(row).tolist()) for row in ids]

    def features(self, samples: torch.Tensor) -> torch.Tensor:
        """Log mel power and its slope, two mel frames stacked: [frames, 320]."""
        samples = padded(samples)
        frames = 2 * -(-(len(samples) // HOP) // 2)
        missing = max(0, (frames - 1) * HOP + 1 - len(samples))
        power = self._mel.log_power(functional.pad(samples, (0, missing)))[:frames]
        scaled = torch.clamp(power, min=power.max() - _DECADES_KEPT) / 4 + 1
        around = torch.cat([scaled[:1], scaled, scaled[-1:]])
        slope = (around[2:] - around[:-2]) / 2
        return torch.cat([scaled, slope], dim=-1).reshape(frames // 2, -1)

    def _spelt(self, path: Sequence[int]) -> str:
        return str(self._tokenizer.decode([one for one in path if one != self._blank])).strip()

    def _partial(self, key: str, text: str) -> Hypothesis:
        words = tuple(text.split())
        stable = agreed(words, self._last.pop(key, ()))
        if key:
            self._last[key] = words
        if len(self._last) > KEYS_KEPT:
            self._last.popitem(last=False)
        return Hypothesis(tuple(map(RecognisedWord, words)), (f"stable:{stable}",))


def load_turbo(
    model: str, revision: str | None, cache: Path | None, device: torch.device
) -> TurboPartials:
    """Check and load the model for partials, like the large one.  Raises CheckpointError."""
    checkpoint = fetched(model, revision, cache, model_type=MODEL_TYPE)
    try:
        from transformers import GraniteSpeech5ForCTC  # noqa: PLC0415 - only newer versions have it
    except ImportError as exc:
        raise CheckpointError("partials from TurboCTC need transformers 5.16 or newer") from exc
    from tokenizers import Tokenizer  # noqa: PLC0415 - the engine is an optional extra

    dtype = (
        torch.bfloat16 if device.type == "cuda" else torch.float32
    )  # batch norm stays in fp32 by itself
    loaded = pretrained(GraniteSpeech5ForCTC, checkpoint, dtype, lambda _: False)
    return TurboPartials(loaded.to(device), Tokenizer.from_file(str(checkpoint.tokenizer)))
