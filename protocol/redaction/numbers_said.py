"""The numbers of one segment, each with its place, its grouping and the cue that is nearest to it."""

from collections.abc import Sequence
from dataclasses import dataclass

from ..numbers.months import BEFORE_YEAR, MONTHS
from ..numbers.runs import Run, is_glue, runs
from ..numbers.tokens import Token
from .card_runs import begins_card, has_card, in_fours
from .cues import Cue, Topic, cues
from .interrupted import joined, may_be_added, may_be_misheard

_REACH_BACK = 30
"""Most words between a cue and a later number that it is about."""

_REACH_AHEAD = 7
"""Most words between a number and a later cue that is about it."""

_PLUS = frozenset({"+", "plus", "mas", "mais", "piu"})
_LONGEST_TELEPHONE = 15
"""Digits of the longest telephone number with its country code (ITU-T E.164)."""


@dataclass(frozen=True, slots=True)
class Said:
    """One run of a segment. `first` and `last`: indices of its words, both included."""

    run: Run
    first: int
    last: int
    is_lead: bool
    """Nothing but fillers are before it in the segment: it may continue an earlier segment."""

    is_trail: bool
    """Nothing but fillers are after it in the segment: a later segment may continue it."""

    topic: Topic | None
    """The topic of the nearest cue in the segment."""

    distance: int
    """Words between that cue and the run; 0 without a cue."""

    in_fours: bool
    """Spoken in groups of four, as cards are; the last group may be shorter."""

    count: int
    """Number of digits."""

    most: int
    """Number of digits if number words that may be two are two: `duecentocinquanta otto`."""

    begins_card: bool
    """A card number may begin with its digits, or they are uncertain (`two thousand and twenty eight thousand`)."""

    month: int | None
    """Index of the word with the name of a month right before it."""

    is_card: bool
    """It contains a card number: length, issuer range and check digit fit in one of its readings."""

    @property
    def is_whole(self) -> bool:
        """The segment has nothing else than this run."""
        return self.is_lead and self.is_trail


@dataclass(frozen=True, slots=True)
class SegmentNumbers:
    """What a segment says about numbers."""

    tokens: tuple[Token, ...]
    numbers: tuple[Said, ...]
    cues: tuple[Cue, ...]
    is_silent: bool
    """It has no words but fillers, so that a number may go on after it."""

    other_words: int
    """Words that belong to no number and are no fillers."""


def numbers_of(words: Sequence[str], language: str) -> SegmentNumbers:
    """Find the numbers of a segment. `language`: ISO 639 of the words."""
    apart, tokens = runs(words, language)
    phrases = [cue for cue in cues(tokens) if not _inside(cue, apart)]
    found = joined(apart, tokens, phrases, language)
    named = _without_units(phrases, found, tokens)
    numbers = tuple(_said(run, tokens, phrases, named, language) for run in found)
    silent = not found and is_glue(tokens, language)
    others = _other_words(found, tokens, language)
    return SegmentNumbers(tuple(tokens), numbers, tuple(named), silent, others)


def _other_words(found: Sequence[Run], tokens: Sequence[Token], language: str) -> int:
    inside = {place for run in found for place in range(run.first, run.last + 1)}
    return sum(
        place not in inside and not is_glue((token,), language)
        for place, token in enumerate(tokens)
    )


def _without_units(
    phrases: Sequence[Cue], found: Sequence[Run], tokens: Sequence[Token]
) -> list[Cue]:
    """The cues without units behind numbers: the dollars in `five dollars and 4738` say nothing of 4738."""
    ends = [run.last + 1 for run in found]
    return [cue for cue in phrases if not _is_unit(cue, ends, tokens)]


def _is_unit(cue: Cue, ends: Sequence[int], tokens: Sequence[Token]) -> bool:
    return cue.topic in (Topic.OTHER, Topic.OTHER_WEAK) and any(
        end <= cue.first and _spoken(tokens, end, cue.first) == 0 for end in ends
    )


def _inside(cue: Cue, found: Sequence[Run]) -> bool:
    return any(run.first <= cue.first and cue.last <= run.last for run in found)


def _said(
    run: Run,
    tokens: Sequence[Token],
    phrases: Sequence[Cue],
    named: Sequence[Cue],
    language: str,
) -> Said:
    topic, distance = _nearest(run, tokens, phrases, named)
    count = len(run.digits)
    return Said(
        run,
        tokens[run.first].word,
        tokens[run.last].word,
        may_be_added(tokens[: run.first], language),
        may_be_misheard(tokens[run.last + 1 :], language),
        topic,
        distance,
        in_fours(run),
        count,
        count + sum(atom.longer for atom in run.atoms),
        begins_card(run),
        _month(run, tokens),
        has_card(run),
    )


def _month(run: Run, tokens: Sequence[Token]) -> int | None:
    place = run.first - 1
    while place >= 0 and (tokens[place].is_sign or tokens[place].text in BEFORE_YEAR):
        place -= 1
    return tokens[place].word if place >= 0 and tokens[place].text in MONTHS else None


def _nearest(
    run: Run, tokens: Sequence[Token], phrases: Sequence[Cue], named: Sequence[Cue]
) -> tuple[Topic | None, int]:
    """The cue that says what the run is: a unit right behind it, else the last one before it, else the next one."""
    before = [cue for cue in named if cue.last < run.first]
    after = [cue for cue in phrases if cue.first > run.last]
    ahead = _spoken(tokens, run.last + 1, after[0].first) if after else _REACH_AHEAD + 1
    if after and after[0].topic in (Topic.OTHER, Topic.OTHER_WEAK) and ahead == 0:
        return Topic.OTHER, 0
    before = [cue] if (cue := _strongest(before)) else []
    if before and (back := _spoken(tokens, before[-1].last + 1, run.first)) <= _REACH_BACK:
        return before[-1].topic, back
    if ahead <= _REACH_AHEAD:
        return after[0].topic, ahead
    return (Topic.PHONE if _is_international(run, tokens) else None), 0


def _is_international(run: Run, tokens: Sequence[Token]) -> bool:
    """`plus 44 7700 900123`: a telephone number with its country."""
    has_plus = run.first > 0 and tokens[run.first - 1].text in _PLUS
    return has_plus and len(run.digits) <= _LONGEST_TELEPHONE


def _strongest(before: Sequence[Cue]) -> Cue | None:
    """The last cue; a thing that may be paid by card does not count if another cue is before it."""
    strong = (cue for cue in reversed(before) if cue.topic is not Topic.OTHER_WEAK)
    return next(strong, before[-1] if before else None)


def topic_of(phrases: Sequence[Cue]) -> Topic | None:
    """What a segment leaves as the topic for the next one."""
    cue = _strongest(phrases)
    return cue.topic if cue else None


def _spoken(tokens: Sequence[Token], start: int, end: int) -> int:
    return sum(not token.is_sign for token in tokens[start:end])
