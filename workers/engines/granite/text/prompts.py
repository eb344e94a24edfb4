"""
The prompts with which Granite Speech was trained.

Sources: the model cards of ibm-granite/granite-4.0-1b-speech and ibm-granite/granite-speech-4.1-2b.  A prompt with
one wrong space still works, but worse; so each prompt is an entry of a table and tested byte by byte.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

LANGUAGES = frozenset({"en", "fr", "de", "es", "pt", "ja"})
"""Languages that both models were trained to transcribe."""

TRANSLATIONS = frozenset(
    pair for other in LANGUAGES - {"en"} for pair in ((other, "en"), ("en", other))
) | frozenset({("en", "it"), ("en", "zh")})

NAMES = {
    "en": "English", "fr": "French", "de": "German", "es": "Spanish", "pt": "Portuguese", "ja": "Japanese",
    "it": "Italian", "zh": "Mandarin",
}  # fmt: skip

BEFORE_AUDIO = "USER: "
BEHIND_TURN = "\n ASSISTANT:"
"""The text of the chat template around the user's turn.  It has no system turn."""


class UntrainedTaskError(Exception):
    """The model was not trained for this language or translation.  The text names those that it knows."""


@dataclass(frozen=True, slots=True)
class PromptTable:
    """The prompts of one generation of the model."""

    name: str
    transcribe: str
    transcribe_with_keywords: str
    """The keyword list follows at its end."""

    translate: str
    """`{language}` is replaced by the English name of the language to write."""

    translate_with_keywords: str = "translate the speech to {language}. Keywords: "
    """The keyword list follows at its end.  All generations were trained with these words."""

    spoken: str = ""
    """Stands before a transcription; `{language}` is replaced by the English name of the spoken language."""

    punctuated: bool = False
    """Whether a transcription without keywords has punctuation and capitals, unlike CTC text."""

    def instruction(self, language: str, translate_to: str | None, *, keywords: bool) -> str:
        """
        The user's text after the audio, up to the place of the keywords.

        `language`, `translate_to`: ISO 639 codes; `keywords`: whether a list of keywords follows.  Raises
        UntrainedTaskError.
        """
        refuse_untrained(language, translate_to)
        if translate_to is None:
            asked = self.transcribe_with_keywords if keywords else self.transcribe
            return self.spoken.format(language=NAMES[language]) + asked
        asked = self.translate_with_keywords if keywords else self.translate
        return asked.format(language=NAMES[translate_to])


GRANITE_4_0 = PromptTable(
    name="granite-4.0",
    transcribe="can you transcribe the speech into a written format?",
    transcribe_with_keywords="can you transcribe the speech into a written format? Keywords: ",
    translate="translate the speech to {language}.",
)

GRANITE_4_1 = PromptTable(
    name="granite-4.1",
    punctuated=True,
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

GRANITE_5_0 = PromptTable(
    name="granite-5.0",
    punctuated=True,
    transcribe="transcribe the speech with proper punctuation and capitalization.",
    transcribe_with_keywords="transcribe the speech with proper punctuation and capitalization. Keywords: ",
    translate="translate the speech to {language} with proper punctuation and capitalization.",
    spoken="The speech is in {language}. Transcribe it exactly; do not translate. ",
)
"""Second-hand: from the mlx-audio 0.6.2 package, not from a model card.  Never the default."""

TABLES = {table.name: table for table in (GRANITE_4_0, GRANITE_4_1, GRANITE_4_1_RAW, GRANITE_5_0)}


MARK_OF_4_1 = "out_llm.safetensors"
"""The CTC head over the tokenizer's own tokens, which the vendor ships with 4.1 and 5.0 but not with 4.0."""

_REVISIONS_OF_4_1 = frozenset(
    {"de575db64086f84fdc79da4932d1076e965bc546", "8f4bb5f31ae98971bd218169f00065a041d20058"}
)


def table_of(files: Collection[str], config: Mapping[str, object], source: str = "") -> PromptTable:
    """
    The prompt table of a checkpoint, chosen by its files, config or source; without a sign of 4.1, that of 4.0.

    `files`: names in the checkpoint; `config`: its `config.json`; `source`: hub id and commit of a downloaded
    model, `owner/name@commit`.  The name of a folder is not used, because a site may rename it.
    """
    model, _, revision = source.partition("@")
    made_of = f"{config.get('_name_or_path') or ''} {model}"
    if "speech-5.0-2b" in made_of or _has_long_context(config):
        return GRANITE_5_0
    is_4_1 = MARK_OF_4_1 in files or revision in _REVISIONS_OF_4_1 or "speech-4.1-2b" in made_of
    return GRANITE_4_1 if is_4_1 else GRANITE_4_0


def _has_long_context(config: Mapping[str, object]) -> bool:
    """Whether positions are extended by YaRN, as in 5.0 only."""
    text = config.get("text_config")
    rope = (
        text.get("rope_parameters") or text.get("rope_scaling") if isinstance(text, dict) else None
    )
    return isinstance(rope, dict) and "yarn" in (rope.get("rope_type"), rope.get("type"))


def refuse_untrained(language: str, translate_to: str | None) -> None:
    """Raise UntrainedTaskError unless the models were trained for this task (ISO 639 codes)."""
    if translate_to is None and language not in LANGUAGES:
        known = ", ".join(sorted(LANGUAGES))
        raise UntrainedTaskError(f"cannot transcribe {language!r}: the model knows {known}")
    if translate_to is not None and (language, translate_to) not in TRANSLATIONS:
        raise UntrainedTaskError(
            f"cannot translate {language!r} to {translate_to!r}: one side must be English, the other"
            " one of fr, de, es, pt, ja (or it and zh, from English only)"
        )


def written(instruction: str, keywords: tuple[str, ...]) -> str:
    """The whole prompt as text, with one token for the audio.  For tests: the engine encodes its parts."""
    return f"{BEFORE_AUDIO}<|audio|>{instruction}{', '.join(keywords)}{BEHIND_TURN}"
