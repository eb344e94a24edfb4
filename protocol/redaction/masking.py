"""Puts tags in the place of masked words, and holds back what a partial must not show."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from ..events import Final, Redaction, Span, Word
from .call_state import CallState
from .judgement import is_about_something_else
from .policy import CARD_DATA, DataKind, Policy
from .redactor import Mask, RecognisedText, redact
from .segment.emails import open_address
from .segment.numbers_said import Said, SegmentNumbers, numbers_of

HIDDEN = "•"
"""Begins the text that stands for each masked word in the stored hypothesis of a partial; its kind follows."""

_SIGNS_AFTER = ".,;:!?…"


def apply(
    words: Sequence[Word], masks: Iterable[Mask], policy: Policy, span: Span
) -> tuple[tuple[Word, ...], tuple[Redaction, ...]]:
    """
    Replace the words of each mask by one tag with the times of the words.

    `masks`: in order, without overlap. `span`: of the segment; it stands for times that the engine does not know,
    so that the audio of each redaction can be silenced. Returns the shown words, and the redactions with the
    indices of their tags.
    """
    shown: list[Word] = []
    redactions: list[Redaction] = []
    position = 0
    for mask in masks:
        shown += words[position : mask.first]
        hidden = words[mask.first : mask.last + 1]
        redactions.append(Redaction(mask.kind, len(shown), *_times(words, mask, span)))
        shown += _tags(hidden, mask, policy)
        position = mask.last + 1
    return (*shown, *words[position:]), tuple(redactions)


def _times(words: Sequence[Word], mask: Mask, span: Span) -> tuple[int, int]:
    """
    Where the audio of a mask is silenced: from the end of the word before it to the start of the word behind it.

    An engine may leave out digits, which then lie between these words and not inside the mask.
    """
    start = words[mask.first - 1].end if mask.first else None
    end = words[mask.last + 1].start if mask.last + 1 < len(words) else None
    known = words[mask.first].start is not None and words[mask.last].end is not None
    return (
        span.start if start is None or not known else start,
        span.end if end is None or not known else end,
    )


def _tags(hidden: Sequence[Word], mask: Mask, policy: Policy) -> list[Word]:
    sure = [word.confidence for word in hidden if word.confidence is not None]
    last = hidden[-1].text
    sign = last[-1] if last[-1:] in _SIGNS_AFTER else ""
    confidence = min(sure) if sure else None
    texts = [policy.tag(mask.kind), mask.keep] if mask.keep else [policy.tag(mask.kind)]
    texts[-1] += sign
    end = hidden[-1].end
    return [replace(hidden[0], text=text, end=end, confidence=confidence) for text in texts]


def hide(state: CallState, heard: RecognisedText, policy: Policy) -> list[str]:
    """
    The words of an open segment that may be kept and shown; `HIDDEN` and its kind for each masked word.

    A number at the end is left out while it may grow, unless a cue says that it is no card data.
    """
    words = list(heard.words)
    if not policy.kinds:
        return words
    for mask in redact(state, heard, policy).masks:
        words[mask.first : mask.last + 1] = [HIDDEN + mask.kind] * (mask.last + 1 - mask.first)
    said = numbers_of(heard.words, heard.language)
    if DataKind.EMAIL in policy.kinds:
        begun = open_address(said.tokens, heard.language)
        words = words if begun is None else words[: said.tokens[begun].word]
    if said.open_at is not None and _may_become_more(said.numbers[-1], state, heard, policy):
        del words[_cut(words, said, said.open_at) :]
    return words


def follows_earlier(words: Sequence[str], language: str, policy: Policy) -> bool:
    """
    Whether `hide` may need the state of the call for these words.

    What was said before decides about numbers only, and about dates of birth, which may have none.
    """
    asks_dates = DataKind.DATE_OF_BIRTH in policy.kinds
    return asks_dates or bool(numbers_of(words, language).numbers)


def _cut(words: Sequence[str], said: SegmentNumbers, at: int) -> int:
    """The first word that is left out: of the numbers from `at` on, the first that is not masked, or the last."""
    last = said.numbers[-1]
    left = [
        one.first
        for one in said.numbers
        if at <= one.first < len(words) and not words[one.first].startswith(HIDDEN)
    ]
    return min([*left, last.first if last.is_trail else len(words)])


def _may_become_more(said: Said, state: CallState, heard: RecognisedText, policy: Policy) -> bool:
    """Whether the last number of an open segment may become data that is redacted."""
    topic = said.topic or state.topic(heard.span.start)[0]
    return bool(policy.kinds - CARD_DATA) or not is_about_something_else(topic)


def collapsed(words: Sequence[str], stable: int, policy: Policy) -> tuple[tuple[str, ...], int]:
    """The words with one tag for hidden words of a kind that follow each other, and how many of them are stable."""
    shown: list[str] = []
    shown_stable = 0
    for place, word in enumerate(words):
        if not word.startswith(HIDDEN):
            shown.append(word)
        elif place == 0 or words[place - 1] != word:
            shown.append(policy.tag(DataKind(word.removeprefix(HIDDEN))))
        if place < stable:
            shown_stable = len(shown)
    return tuple(shown), shown_stable


def revised(final: Final, mask: Mask, policy: Policy) -> Final:
    """
    A final with one more mask on its shown words. The same again if the mask was applied before.

    A mask of another kind on a tag replaces the tag.
    """
    if any(one.place == mask.first and one.kind == mask.kind for one in final.redactions):
        return final
    if mask.last >= len(final.words):
        return final
    words, (added,) = apply(final.words, [mask], policy, final.span)
    moved = len(final.words) - len(words)
    kept = [
        replace(one, place=one.place - moved) if one.place > mask.first else one
        for one in final.redactions
        if one.place != mask.first
    ]
    redactions = tuple(sorted([*kept, added], key=lambda one: one.place))
    return replace(final, words=words, redactions=redactions)
