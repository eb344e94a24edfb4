"""
A known recording must come back right before the worker is ready.

vLLM 0.20.0 was reported to ignore the audio without an error (issue 41284): a request succeeds, and its text is
invented.
"""

from collections.abc import Sequence
from typing import Protocol

import jiwer

from ..base import EngineBrokenError, EngineError, Hypothesis, Utterance
from ..common.recording import read_clip
from .settings import VllmSettings

_MOST_WRONG = 0.5
"""Share of the words.  Other models and voices differ in some words, an invented text in nearly all."""


class Transcriber(Protocol):
    """The engine, as far as this check needs it."""

    def transcribe(self, batch: Sequence[Utterance]) -> list[Hypothesis]:
        """See Engine."""
        ...


def check_canary(engine: Transcriber, settings: VllmSettings) -> None:
    """Transcribe the recording that the settings name, if any.  Raises EngineError when its text is wrong."""
    if settings.canary_clip is None or not settings.canary_text.strip():
        return
    try:
        (heard,) = engine.transcribe([Utterance(read_clip(settings.canary_clip))])
    except EngineBrokenError as exc:
        raise EngineError(f"the canary failed: {exc}") from exc
    wanted, found = _plain(settings.canary_text), _plain(heard.text)
    if not found or jiwer.wer(wanted, found) > _MOST_WRONG:
        raise EngineError(
            f"the canary failed: {settings.canary_clip} was transcribed as {heard.text!r}, not as"
            f" {settings.canary_text!r}. The server may ignore the audio, or serve another model"
        )


def _plain(text: str) -> str:
    return " ".join("".join(sign if sign.isalnum() else " " for sign in text.casefold()).split())
