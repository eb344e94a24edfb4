"""
The sentences that Granite Speech was trained to be asked with.

Sources: the model cards of ibm-granite/granite-4.0-1b-speech and ibm-granite/granite-speech-4.1-2b.  A prompt
that is off by a space still gets an answer, only a worse one; so each is a table entry and tested to the byte.
"""

from dataclasses import dataclass

LANGUAGES = frozenset({"en", "fr", "de", "es", "pt", "ja"})
"""What both models were trained to transcribe."""

TRANSLATIONS = frozenset(
    pair for other in LANGUAGES - {"en"} for pair in ((other, "en"), ("en", other))
) | frozenset({("en", "it"), ("en", "zh")})

NAMES = {
    "en": "English", "fr": "French", "de": "German", "es": "Spanish", "pt": "Portuguese", "ja": "Japanese",
    "it": "Italian", "zh": "Mandarin",
}  # fmt: skip

BEFORE_AUDIO = "USER: "
BEHIND_TURN = "\n ASSISTANT:"
"""The chat template's own words around the user's turn; it knows no system turn."""


class UntrainedTaskError(Exception):
    """Nobody taught the model this language or translation; the text says which it knows."""


@dataclass(frozen=True, slots=True)
class PromptTable:
    """How one generation of the model is asked."""

    name: str
    transcribe: str
    transcribe_with_keywords: str
    """Ends where the list begins."""

    translate: str
    """`{language}` stands for the English name of the language to write."""

    keywords_behind_translation: str = " Keywords: "

    def instruction(self, language: str, translate_to: str | None, *, keywords: bool) -> str:
        """
        The user's words behind the audio, up to the place where keywords are written.

        Raises UntrainedTaskError.
        """
        refuse_untrained(language, translate_to)
        if translate_to is None:
            return self.transcribe_with_keywords if keywords else self.transcribe
        asked = self.translate.format(language=NAMES[translate_to])
        return asked + self.keywords_behind_translation if keywords else asked


GRANITE_4_0 = PromptTable(
    name="granite-4.0",
    transcribe="can you transcribe the speech into a written format?",
    transcribe_with_keywords="can you transcribe the speech into a written format? Keywords: ",
    translate="translate the speech to {language}.",
)

GRANITE_4_1 = PromptTable(
    name="granite-4.1",
    transcribe="transcribe the speech with proper punctuation and capitalization.",
    transcribe_with_keywords="transcribe the speech to text. Keywords: ",
    translate="translate the speech to {language} with proper punctuation and capitalization.",
)

GRANITE_4_1_RAW = PromptTable(
    name="granite-4.1-raw",
    transcribe="can you transcribe the speech into a written format?",
    transcribe_with_keywords="transcribe the speech to text. Keywords: ",
    translate="translate the speech to {language}.",
)

TABLES = {table.name: table for table in (GRANITE_4_0, GRANITE_4_1, GRANITE_4_1_RAW)}


def table_for(model: str) -> PromptTable:
    """The table of a model by its hub id or folder name; an unknown name is asked as 4.0 is."""
    return GRANITE_4_1 if "4.1-2b" in model else GRANITE_4_0


def refuse_untrained(language: str, translate_to: str | None) -> None:
    """Raises UntrainedTaskError unless the models were trained to write `translate_to` from `language`."""
    if translate_to is None and language not in LANGUAGES:
        known = ", ".join(sorted(LANGUAGES))
        raise UntrainedTaskError(f"cannot transcribe {language!r}: the model knows {known}")
    if translate_to is not None and (language, translate_to) not in TRANSLATIONS:
        raise UntrainedTaskError(
            f"cannot translate {language!r} to {translate_to!r}: one side must be English, the other"
            " one of fr, de, es, pt, ja (or it and zh, from English only)"
        )


def written(instruction: str, keywords: tuple[str, ...]) -> str:
    """The whole prompt with one mark for the audio, for people and for tests; the engine encodes its parts."""
    return f"{BEFORE_AUDIO}<|audio|>{instruction}{', '.join(keywords)}{BEHIND_TURN}"
