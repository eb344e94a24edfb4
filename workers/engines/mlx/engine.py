"""
Granite Speech on Apple Silicon, by mlx-audio: one final at a time.

mlx-audio returns a text without probabilities, word times or CTC posteriors.  It is given the whole prompt, because
its own prompts differ from the trained ones (`Translate` with a capital letter, other words before keywords).
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from ..base import (
    WITHHELD_TOO_SHORT,
    Capabilities,
    Effort,
    EngineError,
    Hypothesis,
    RecognisedWord,
    Samples,
    Utterance,
    check,
)
from ..common import hallucination
from ..common.keyword_list import listed
from ..granite.checkpoint import CheckpointError, fetched
from ..granite.text.prompts import LANGUAGES, TRANSLATIONS, PromptTable, table_of
from ..granite.text.stopping import most_tokens
from .settings import MlxSettings

RATE = 16_000
LEAST_SAMPLES = 4_800
"""0.3 s, one window of the projector.  Shorter clips are padded with zeros to this length."""

_SILENT = -70.0
"""dBFS.  Below it, 16-bit audio holds no words, but the model invents some."""


class Output(Protocol):
    """What mlx-audio returns."""

    text: str
    generation_tokens: int


class SpeechModel(Protocol):
    """A model as mlx-audio loads it."""

    @property
    def supports_speculative(self) -> bool:
        """Whether the model has the second CTC head."""
        ...

    def generate(
        self, audio: Samples, *, prompt: str, max_tokens: int, temperature: float, speculative: bool
    ) -> Output:
        """Transcribe samples at 16 kHz; `prompt`: the user's text behind the audio."""
        ...


def load(settings: MlxSettings | None = None) -> "Mlx":
    """
    Load the engine and transcribe a second of noise.

    Raises EngineError when the model cannot be used or mlx-audio is not installed.
    """
    chosen = settings or MlxSettings()
    checkpoint = fetched(chosen.model, chosen.revision, chosen.cache, chosen.manifest)
    model = _loaded(str(checkpoint.folder))
    if chosen.speculative and not model.supports_speculative:
        raise CheckpointError(f"{checkpoint.folder}: mlx.speculative needs out_llm.safetensors")
    table = chosen.prompts or table_of(checkpoint.files, checkpoint.config, checkpoint.source)
    engine = Mlx(model, chosen, table)
    noise = np.random.default_rng(0).standard_normal(RATE).astype(np.float32)
    engine.transcribe([Utterance(0.01 * noise)])
    return engine


def _loaded(folder: str) -> SpeechModel:
    """Load a checked folder.  mlx-audio lets the tokenizer's files name code; the check has refused such files."""
    try:
        from mlx_audio.stt import load as load_model  # noqa: PLC0415 - the optional extra
    except ImportError as exc:
        raise EngineError("the engine 'mlx' needs `pip install 'trunkline[mlx]'`") from exc
    try:
        model: Any = load_model(folder)
    except Exception as exc:  # damaged files make mlx-audio raise anything there is
        raise CheckpointError(f"{folder}: {type(exc).__name__} while loading the weights") from exc
    loaded: SpeechModel = model
    return loaded


class Mlx:
    """A loaded model.  Used from one thread at a time."""

    def __init__(self, model: SpeechModel, settings: MlxSettings, table: PromptTable) -> None:
        self._model, self._settings, self._table = model, settings, table

    @property
    def capabilities(self) -> Capabilities:
        """See Engine."""
        return Capabilities(
            name=f"mlx/{self._settings.model.rstrip('/').rsplit('/', 1)[-1]}",
            languages=LANGUAGES,
            translations=TRANSLATIONS,
            keywords=True,
            max_keywords=self._settings.max_keywords,
            partials=False,
            max_batch=1,
            max_seconds=self._settings.max_seconds,
        )

    def transcribe(self, batch: Sequence[Utterance]) -> list[Hypothesis]:
        """See Engine."""
        can = self.capabilities
        for utterance in batch:
            check(utterance, can)
        return [self._one(utterance) for utterance in batch]

    def _one(self, utterance: Utterance) -> Hypothesis:
        if utterance.is_too_short:
            return WITHHELD_TOO_SHORT
        if utterance.effort is Effort.PARTIAL:
            return Hypothesis()
        if hallucination.loudness(utterance.samples) < _SILENT:
            return Hypothesis()
        most = self._settings.max_keywords
        keywords = listed(
            utterance.keywords, most, lambda: self._heard(utterance, ()).text, utterance.language
        )
        heard = self._heard(utterance, keywords.terms)
        return replace(heard, flags=(*keywords.flags, *heard.flags))

    def _heard(self, utterance: Utterance, terms: Sequence[str]) -> Hypothesis:
        asked = self._table.instruction(
            utterance.language, utterance.translate_to, keywords=bool(terms)
        )
        samples, most = utterance.samples, most_tokens(len(utterance.samples))
        missing = max(0, LEAST_SAMPLES - len(samples))
        output = self._model.generate(
            np.pad(samples, (0, missing)), prompt=f"{asked}{', '.join(terms)}", max_tokens=most,
            temperature=0.0, speculative=self._settings.speculative,
        )  # fmt: skip
        return hypothesis(output, most, len(samples) / RATE)


def hypothesis(output: Output, most: int, seconds: float) -> Hypothesis:
    """The words of a text of at most `most` tokens, without loops for which `seconds` of audio are too short."""
    complete = output.generation_tokens < most
    said = [hallucination.WordEvidence(word) for word in output.text.split()]
    kept = hallucination.without_loops(said, seconds, complete=complete)
    flags = ["length_cut"] * (not complete) + ["loop_cut"] * kept.looped
    return Hypothesis(tuple(RecognisedWord(text) for _, text in kept.words), tuple(flags))
