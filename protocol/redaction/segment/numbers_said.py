"""The numbers of one segment, each with its place, its grouping and the cue that is nearest to it."""

from collections.abc import Sequence
from dataclasses import dataclass

from ...numbers.months import BEFORE_YEAR, MONTHS
from ...numbers.runs import Run, is_glue, runs
from ...numbers.tokens import Token
from .card_runs import begins_card, has_card, in_fours
from .cues import Cue, Topic, cues
from .interrupted import joined, may_be_added, may_be_misheard, open_number
from .nearest_cue import NearestCue, strongest


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

    open_at: int | None
    """Index of the first word of a number that may go on, if the segment does."""

    other_words: int
    """Words that belong to no number and are no fillers."""


def numbers_of(words: Sequence[str], language: str) -> SegmentNumbers:
    """Find the numbers of a segment. `language`: ISO 639 of the words."""
    apart, tokens = runs(words, language)
    phrases = _outside(cues(tokens), apart)
    found = joined(apart, tokens, phrases, language)
    nearest = NearestCue(tokens, phrases, found)
    leads = bool(found) and may_be_added(tokens, found[0].first, language)
    trails = bool(found) and may_be_misheard(tokens, found[-1].last + 1, language)
    numbers = tuple(
        _said(run, tokens, nearest, (leads and run is found[0], trails and run is found[-1]))
        for run in found
    )
    begun = open_number(found, tokens, phrases, language)
    open_at = None if begun is None else tokens[begun].word
    silent = not found and is_glue(tokens, language)
    others = _other_words(found, tokens, language)
    return SegmentNumbers(tuple(tokens), numbers, tuple(nearest.named), silent, open_at, others)


def _other_words(found: Sequence[Run], tokens: Sequence[Token], language: str) -> int:
    inside = {place for run in found for place in range(run.first, run.last + 1)}
    return sum(
        place not in inside and not is_glue((token,), language)
        for place, token in enumerate(tokens)
    )


def _outside(phrases: Sequence[Cue], found: Sequence[Run]) -> list[Cue]:
    """The cues that are no part of a number. Both are in order."""
    left, at = list[Cue](), 0
    for cue in phrases:
        while at < len(found) and found[at].last < cue.last:
            at += 1
        if at == len(found) or cue.first < found[at].first:
            left.append(cue)
    return left


def _said(run: Run, tokens: Sequence[Token], nearest: NearestCue, edges: tuple[bool, bool]) -> Said:
    """`edges`: whether the run is the first, and the last thing that is said."""
    topic, distance = nearest.of(run)
    count = len(run.digits)
    return Said(
        run,
        tokens[run.first].word,
        tokens[run.last].word,
        *edges,
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


def topic_of(phrases: Sequence[Cue]) -> Topic | None:
    """What a segment leaves as the topic for the next one."""
    cue = strongest(phrases)
    return cue.topic if cue else None
