"""
Finds names and addresses with Presidio and a spaCy model for each language (https://microsoft.github.io/presidio).

Needs the extra `names`, and the packages of the models.
"""

import importlib.util
from collections.abc import Mapping, Sequence
from itertools import accumulate

from protocol.redaction.policy import DataKind
from protocol.redaction.redactor import Mask

from .finder import NamesError

_KINDS = {"PERSON": DataKind.NAME, "LOCATION": DataKind.ADDRESS}
"""Presidio's names of what is looked for.  Organisations and nationalities are left out: they name no person."""


class PresidioNames:
    """Presidio's analyzer with one spaCy model for each language."""

    def __init__(self, models: Mapping[str, str]) -> None:
        """Load the models, by ISO 639 code.  Raises NamesError.  Takes seconds."""
        missing = [name for name in models.values() if importlib.util.find_spec(name) is None]
        if missing or importlib.util.find_spec("presidio_analyzer") is None:
            wanted = ", ".join(["trunkline[names]", *missing])
            raise NamesError(f"install {wanted}: TRUNKLINE_WORKER_NAMES asks for names")
        from presidio_analyzer import AnalyzerEngine  # noqa: PLC0415  # optional
        from presidio_analyzer.nlp_engine import NlpEngineProvider  # noqa: PLC0415

        listed = [{"lang_code": code, "model_name": name} for code, name in models.items()]
        provider = NlpEngineProvider(
            nlp_configuration={"nlp_engine_name": "spacy", "models": listed}
        )
        self._analyzer = AnalyzerEngine(
            nlp_engine=provider.create_engine(), supported_languages=[*models]
        )
        self._languages = frozenset(models)

    @property
    def languages(self) -> frozenset[str]:
        """See NameFinder."""
        return self._languages

    def find(self, words: Sequence[str], language: str) -> list[Mask]:
        """See NameFinder."""
        found = self._analyzer.analyze(text=" ".join(words), language=language, entities=[*_KINDS])
        return masks_of(words, [(one.start, one.end, _KINDS[one.entity_type]) for one in found])


def masks_of(words: Sequence[str], spans: Sequence[tuple[int, int, DataKind]]) -> list[Mask]:
    """The words that `spans` touch; `spans`: start and end in the words joined by spaces, and the kind."""
    starts = [0, *accumulate(len(word) + 1 for word in words)][: len(words)]
    masks = []
    for start, end, kind in spans:
        touched = [
            at for at, begin in enumerate(starts) if begin < end and start < begin + len(words[at])
        ]
        if touched:
            masks.append(Mask(touched[0], touched[-1], kind))
    return masks


def models_of(text: str) -> dict[str, str]:
    """Read `en=en_core_web_sm,fr=fr_core_news_sm`.  Raises NamesError."""
    pairs = [one.partition("=") for one in text.split(",") if one.strip()]
    if any(not code.strip() or not name.strip().isidentifier() for code, _, name in pairs):
        raise NamesError(f"names must be LANGUAGE=MODEL, separated by commas, and not {text!r}")
    return {code.strip(): name.strip() for code, _, name in pairs}
