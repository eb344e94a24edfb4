"""Reads how a client wants the text: `punctuate`, `filler_words` and other options of several dialects."""

from collections.abc import Iterable

from ...calls.text_form import LONGEST_REPLACED, MOST_REPLACEMENTS, Replacement, Signs, TextForm
from . import options
from .options import Options


def text_form(asked: Options, replaced: Iterable[str] = (), *, numerals: bool = False) -> TextForm:
    """
    The form that a client asks for; an invalid option is ignored with a warning.

    `replaced`: each as `words:text in their place`. `numerals`: whether numbers become digits, by other options.
    """
    punctuate = asked.read("punctuate", options.boolean, None)
    signs = Signs.RESTORED if punctuate or (numerals and punctuate is None) else Signs.AS_HEARD
    fillers = asked.read("filler_words", options.boolean, default=True)
    return TextForm(
        numerals=numerals,
        signs=Signs.REMOVED if punctuate is False else signs,
        without_fillers=not fillers,
        without_profanity=asked.read("profanity_filter", options.boolean, default=False),
        replacements=_replacements(asked, replaced),
    )


def _replacements(asked: Options, replaced: Iterable[str]) -> tuple[Replacement, ...]:
    found = []
    for one in replaced:
        words, _, text = one.partition(":")
        if not words.strip() or len(words) > LONGEST_REPLACED or len(text) > LONGEST_REPLACED:
            asked.ignore("replace", f"each is WORDS:TEXT, of 1 to {LONGEST_REPLACED} characters")
        else:
            found.append(Replacement(" ".join(words.split()), " ".join(text.split())))
    if len(found) > MOST_REPLACEMENTS:
        asked.ignore("replace", f"at most {MOST_REPLACEMENTS} are used")
    return tuple(found[:MOST_REPLACEMENTS])


def pairs_of(value: object) -> list[str]:
    """Replacements from a JSON object: `{"words": "text"}`. Raises ValueError for other values."""
    return [f"{words}:{text}" for words, text in options.texts(options.object_of(value))]
