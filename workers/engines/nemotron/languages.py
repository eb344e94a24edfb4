"""
The languages of a model: from its dictionary of prompts to one prompt for each ISO 639 code.

The dictionary maps locales (`pt-BR`), bare codes (`pt`) and `auto` to numbers.  It also has numbers for languages
that the model was not trained with.  Pure.
"""

import re
from collections.abc import Iterable, Mapping

from ..base import EngineError

_LOCALE = re.compile(r"([a-z]{2,3})(?:-[A-Z]{2})?")

TRAINED = frozenset(
    [
        "ar", "bg", "cs", "da", "de", "el", "en", "es", "et", "fi", "fr", "he", "hi", "hr", "hu",
        "it", "ja", "ko", "lt", "lv", "mt", "nb", "nl", "nn", "no", "pl", "pt", "ro", "ru", "sk",
        "sl", "sv", "th", "tr", "uk", "vi", "zh",
    ]
)  # fmt: skip
"""Languages that the vendor's page lists for nemotron-3.5-asr-streaming-0.6b (read in November 2026)."""


def prompts_by_language(
    dictionary: Mapping[str, int], locales: Iterable[str] = ()
) -> dict[str, int]:
    """
    The prompt of each language that the model was trained with, by ISO 639 code.

    A bare code comes before the first locale of a language, one of `locales` before both.  Raises EngineError for
    one of `locales` that the dictionary lacks.
    """
    prompts: dict[str, int] = {}
    for name, prompt in dictionary.items():
        found = _LOCALE.fullmatch(name)
        if (
            found is not None
            and found[1] in TRAINED
            and (found[1] == name or found[1] not in prompts)
        ):
            prompts[found[1]] = prompt
    for locale in locales:
        language = locale.partition("-")[0]
        if locale not in dictionary or language not in prompts:
            raise EngineError(f"nemotron.locales: the model has no prompt for {locale!r}")
        prompts[language] = dictionary[locale]
    return prompts


def named(locales: str) -> tuple[str, ...]:
    """The locales of the setting: `pt-BR, en-GB`."""
    return tuple(name for part in locales.split(",") if (name := part.strip()))
